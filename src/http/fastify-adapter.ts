import { FastifyAdapter } from '@nestjs/platform-fastify';
import { acceptNdjson } from './ndjson-body.js';

/**
 * The HTTP server: JSON bodies only, bounded, and closing idle connections at shutdown (requests in flight are waited
 * for by `DrainService`). Use with Nest's `bodyParser: false`, which would add form bodies.
 */
export function createFastifyAdapter(bodyLimitBytes: number): FastifyAdapter {
  const adapter = new FastifyAdapter({ bodyLimit: bodyLimitBytes, forceCloseConnections: true });
  const fastify = adapter.getInstance();
  fastify.removeContentTypeParser('text/plain');
  acceptNdjson(fastify);
  return adapter;
}
