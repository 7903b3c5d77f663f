import { Logger } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';
import type { Socket } from 'node:net';
import { hasBody } from '../body/json-body.js';
import { isStreamedBody } from '../body/ndjson-body.js';
import { PROBLEM_CONTENT_TYPE } from '../problem/problem.js';
import { refusalProblem } from '../problem/problem-of.js';

const logger = new Logger('Http');

/** Answers 408 where a body has not come within `requestTimeoutMs`. Node's own limit would cut long imports as well. */
export function limitBodies(fastify: FastifyInstance, requestTimeoutMs: number): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    if (hasBody(request) && !isStreamedBody(request)) {
      const late = setTimeout(() => {
        if (request.raw.complete || reply.sent) return;
        const seconds = requestTimeoutMs / 1_000;
        const problem = refusalProblem(
          408,
          `The body did not arrive within ${seconds} s. Send it faster, or in parts.`,
        );
        void reply
          .code(408)
          .headers({ 'content-type': PROBLEM_CONTENT_TYPE, connection: 'close' })
          .send(JSON.stringify(problem));
      }, requestTimeoutMs);
      request.raw.once('end', () => {
        clearTimeout(late);
      });
      request.raw.once('close', () => {
        clearTimeout(late);
      });
    }
    done();
  });
}

/** Node keeps the answer under way on a connection here. */
interface HttpSocket extends Socket {
  readonly _httpMessage?: object | null;
}

/**
 * On the server's timeout, cuts a connection whose client reads nothing of its answer, and closes one without a
 * request. A connection whose answer is still being computed stays open.
 */
export function limitReaders(fastify: FastifyInstance): void {
  fastify.server.on('timeout', (socket: HttpSocket) => {
    const isAnswering = (socket._httpMessage ?? null) !== null;
    if (isAnswering && socket.writableLength === 0) return;
    if (isAnswering) logger.warn('A client read nothing of its answer for too long; its connection is cut');
    socket.destroy();
  });
}
