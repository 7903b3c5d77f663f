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
        const problem = refusalProblem(408, `The body did not arrive within ${requestTimeoutMs / 1_000} s.`);
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
 * Cuts off who takes nothing of an answer, whatever its form, until the server's own timeout; and closes connections on
 * which nobody asks. One whose answer is still being made is left alone.
 */
export function limitReaders(fastify: FastifyInstance): void {
  fastify.server.on('timeout', (socket: HttpSocket) => {
    const isAnswering = (socket._httpMessage ?? null) !== null;
    if (isAnswering && socket.writableLength === 0) return;
    if (isAnswering) logger.warn('A client took nothing of its answer for too long; the answer is cut');
    socket.destroy();
  });
}
