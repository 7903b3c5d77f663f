import { Logger } from '@nestjs/common';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import type { Settings } from '../config/index.js';
import { answerClientError, answerExpectation } from './client-error.js';
import { acceptJson } from './json-body.js';
import { acceptNdjson } from './ndjson-body.js';
import { PROBLEM_CONTENT_TYPE } from './problem.js';
import { problemOf } from './problem-of.js';
import { refuseRequests } from './refuse-requests.js';

/**
 * The HTTP server: JSON bodies only, bounded, and closing idle connections at shutdown (requests in flight are waited
 * for by `DrainService`). What it refuses by itself is a problem as well; docs/http.md has the rules. Use with Nest's
 * `bodyParser: false`, which would add form bodies.
 */
export function createFastifyAdapter(server: Settings['server']): FastifyAdapter {
  const logger = new Logger('Http');
  const adapter = new FastifyAdapter({
    bodyLimit: server.bodyLimitBytes,
    forceCloseConnections: true,
    // Node's own refusal of a request without a Host says nothing; `refuseRequests` has one that does.
    http: { requireHostHeader: false },
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
  refuseRequests(fastify, server);
  acceptJson(fastify);
  acceptNdjson(fastify);
  return adapter;
}
