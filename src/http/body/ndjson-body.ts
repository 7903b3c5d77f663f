import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Pace, paced } from './paced-body.js';
import { unsupported } from './json-body.js';

const NDJSON = 'application/x-ndjson';
const ROUTES_THAT_STREAM = new Set(['/memories/import']);

/** Whether a request may have a body that is read line by line. */
export function isStreamedBody({ routeOptions }: FastifyRequest): boolean {
  return ROUTES_THAT_STREAM.has(routeOptions.url ?? '');
}

/**
 * Passes bodies of newline-delimited JSON on as streams, of any length, to the routes that read them line by line. Other
 * routes refuse them.
 */
export function acceptNdjson(fastify: FastifyInstance, pace: Pace): void {
  fastify.addContentTypeParser(NDJSON, (request: FastifyRequest, payload, done) => {
    if (isStreamedBody(request)) done(null, paced(payload, pace));
    else done(unsupported(request));
  });
}

/** Parameter decorator: the body of a route of {@link acceptNdjson} as chunks of bytes, read as fast as they are taken. */
export const NdjsonBody = createParamDecorator((_: unknown, context: ExecutionContext): AsyncIterable<Uint8Array> => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const { body } = request;
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) {
    return body as AsyncIterable<Uint8Array>;
  }
  throw unsupported(request);
});
