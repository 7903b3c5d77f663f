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
 * Hands bodies of newline-delimited JSON, of any length, as streams to the routes that read them line by line. All
 * other routes refuse such bodies.
 */
export function acceptNdjson(fastify: FastifyInstance, pace: Pace): void {
  fastify.addContentTypeParser(NDJSON, (request: FastifyRequest, payload, done) => {
    if (isStreamedBody(request)) done(null, paced(payload, pace));
    else done(unsupported(request));
  });
}

/** Parameter decorator: the body of a route of {@link acceptNdjson}, as chunks of bytes that are read on demand. */
export const NdjsonBody = createParamDecorator((_: unknown, context: ExecutionContext): AsyncIterable<Uint8Array> => {
  const request = context.switchToHttp().getRequest<FastifyRequest>();
  const { body } = request;
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) {
    return body as AsyncIterable<Uint8Array>;
  }
  throw unsupported(request);
});
