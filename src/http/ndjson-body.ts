import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { errorCodes, type FastifyInstance, type FastifyRequest } from 'fastify';

const NDJSON = 'application/x-ndjson';
const ROUTES_THAT_STREAM = new Set(['/memories/import']);

/**
 * Lets bodies of newline-delimited JSON through as streams, unread and unbounded, to the routes that read them line by
 * line; to any other route they are as foreign as before.
 */
export function acceptNdjson(fastify: FastifyInstance): void {
  fastify.addContentTypeParser(NDJSON, (request: FastifyRequest, payload, done) => {
    if (ROUTES_THAT_STREAM.has(request.routeOptions.url ?? '')) done(null, payload);
    else done(new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(NDJSON));
  });
}

/** Parameter decorator: the body of a route of {@link acceptNdjson} as chunks of bytes, read as fast as they are taken. */
export const NdjsonBody = createParamDecorator((_: unknown, context: ExecutionContext): AsyncIterable<Uint8Array> => {
  const { body, headers } = context.switchToHttp().getRequest<FastifyRequest>();
  if (typeof body === 'object' && body !== null && Symbol.asyncIterator in body) {
    return body as AsyncIterable<Uint8Array>;
  }
  throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE(headers['content-type'] ?? 'none');
});
