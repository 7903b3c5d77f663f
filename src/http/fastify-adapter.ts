import { FastifyAdapter } from '@nestjs/platform-fastify';

/**
 * The HTTP server: JSON bodies only, bounded, and closing idle connections at shutdown (requests in flight are waited
 * for by `DrainService`). Use with Nest's `bodyParser: false`, which would add form bodies.
 */
export function createFastifyAdapter(bodyLimitBytes: number): FastifyAdapter {
  const adapter = new FastifyAdapter({ bodyLimit: bodyLimitBytes, forceCloseConnections: true });
  adapter.getInstance().removeContentTypeParser('text/plain');
  return adapter;
}
