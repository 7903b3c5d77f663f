import { Logger } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { answerClientError, answerExpectation } from './problem/client-error.js';
import { ConnectionLimit } from './limits/connection-limit.js';
import { acceptJson } from './body/json-body.js';
import { acceptNdjson } from './body/ndjson-body.js';
import { PROBLEM_CONTENT_TYPE } from './problem/problem.js';
import { problemOf } from './problem/problem-of.js';
import { refuseRequests } from './guard/refuse-requests.js';
import { limitBodies, limitReaders } from './limits/time-limits.js';
import type { HttpSettings } from './http.settings.js';

// A client that stops reading without closing would otherwise keep what is made for it waiting for ever.
const STALLED_CLIENT_MS = 60_000;
// Slower than the slowest line that is in use. Without it one client could keep an import open for years.
const MIN_IMPORT_BYTES_PER_SECOND = 1_024;
// How often Node looks for late headers: each look goes over all connections.
const LONGEST_CHECK_MS = 10_000;
// Of an id in an address, decoded; ids that other systems gave to memories may be that long.
const MAX_ID_CHARACTERS = 200;

/**
 * The HTTP server: JSON bodies only, bounded, and closing idle connections at shutdown (requests in flight are waited
 * for by `DrainService`). What it refuses by itself is a problem as well; docs/http.md has the rules. Use with Nest's
 * `bodyParser: false`, which would add form bodies.
 */
export function createFastifyAdapter(server: HttpSettings, { stalledMs = STALLED_CLIENT_MS } = {}): FastifyAdapter {
  const logger = new Logger('Http');
  const adapter = new FastifyAdapter({
    bodyLimit: server.bodyLimitBytes,
    routerOptions: { maxParamLength: MAX_ID_CHARACTERS },
    forceCloseConnections: true,
    keepAliveTimeout: server.keepAliveTimeoutMs,
    connectionTimeout: stalledMs,
    http: {
      // Node's own refusal of a request without a Host says nothing; `refuseRequests` has one that does.
      requireHostHeader: false,
      headersTimeout: server.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(LONGEST_CHECK_MS, server.requestTimeoutMs / 2),
    },
    clientErrorHandler: answerClientError,
    // An address that the router cannot read reaches no hook and no filter.
    frameworkErrors: (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
      const problem = problemOf(error, request, logger);
      void reply
        .code(problem.status)
        .headers({ 'content-type': PROBLEM_CONTENT_TYPE, connection: 'close' })
        .send(JSON.stringify(problem));
    },
  });
  const fastify = adapter.getInstance();
  fastify.server.on('checkExpectation', answerExpectation);
  new ConnectionLimit(fastify, server.maxConnections);
  refuseRequests(fastify, server);
  limitBodies(fastify, server.requestTimeoutMs);
  limitReaders(fastify);
  acceptJson(fastify);
  acceptNdjson(fastify, { graceMs: server.requestTimeoutMs, minBytesPerSecond: MIN_IMPORT_BYTES_PER_SECOND });
  return adapter;
}
