import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BrainError, describeError, isAbortError } from '../shared/index.js';
import { InvalidRequestError } from './http.errors.js';
import { createProblem, type Problem, PROBLEM_CONTENT_TYPE } from './problem.js';

/** What Fastify itself refuses, before any code of ours sees the request. */
const FASTIFY_PROBLEMS: Readonly<Record<string, { status: number; code: string; detail: string }>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    status: 415,
    code: 'REQUEST_UNSUPPORTED_MEDIA_TYPE',
    detail: 'The body must be sent as application/json.',
  },
  FST_ERR_CTP_BODY_TOO_LARGE: {
    status: 413,
    code: 'REQUEST_BODY_TOO_LARGE',
    detail: 'The body is larger than this server accepts (setting BODY_LIMIT_BYTES).',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { status: 400, code: 'REQUEST_MALFORMED_JSON', detail: 'The body is empty.' },
  FST_ERR_CTP_INVALID_JSON_BODY: {
    status: 400,
    code: 'REQUEST_MALFORMED_JSON',
    detail: 'The body is not valid JSON.',
  },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    status: 400,
    code: 'REQUEST_MALFORMED',
    detail: 'The body does not have the length that the request announced.',
  },
};

/** Turns whatever a handler throws into `application/problem+json`; the one place where the brain answers errors. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Http');

  catch(error: unknown, host: ArgumentsHost): void {
    const context = host.switchToHttp();
    const request = context.getRequest<FastifyRequest>();
    const reply = context.getResponse<FastifyReply>();
    if (reply.raw.destroyed || (isAbortError(error) && request.raw.destroyed)) return;
    const report = reportOf(error);
    if (report !== undefined) {
      void reply.status(report.status).send(report.body);
      return;
    }
    const problem = this.toProblem(error, request);
    if (error instanceof BrainError && error.retryAfterSeconds !== undefined) {
      void reply.header('retry-after', String(Math.ceil(error.retryAfterSeconds)));
    }
    void reply.status(problem.status).type(PROBLEM_CONTENT_TYPE).send(JSON.stringify(problem));
  }

  private toProblem(error: unknown, request: FastifyRequest): Problem {
    if (error instanceof BrainError) return this.fromBrainError(error, request);
    const fastify = FASTIFY_PROBLEMS[codeOf(error) ?? ''];
    if (fastify) return createProblem(fastify.status, fastify.code, fastify.detail);
    if (error instanceof SyntaxError && 'statusCode' in error) {
      return createProblem(400, 'REQUEST_MALFORMED_JSON', 'The body is not valid JSON.');
    }
    if (error instanceof HttpException) {
      const status = error.getStatus();
      return createProblem(status, status === 404 ? 'ROUTE_NOT_FOUND' : `HTTP_${status}`, error.message);
    }
    const status = statusOf(error);
    if (status >= 400 && status < 500) return createProblem(status, 'REQUEST_MALFORMED', describeError(error));
    this.logger.error(
      `${request.method} ${pathOf(request)} failed unexpectedly: ${describeError(error)}`,
      error instanceof Error ? error.stack : undefined,
    );
    return createProblem(500, 'INTERNAL_ERROR', 'The request failed unexpectedly; the server log says more.');
  }

  private fromBrainError(error: BrainError, request: FastifyRequest): Problem {
    if (error.httpStatus >= 500) {
      this.logger.warn(
        `${request.method} ${pathOf(request)} answered ${error.httpStatus} ${error.code}: ${describeError(error)}`,
      );
    }
    const errors = error instanceof InvalidRequestError ? error.errors : undefined;
    return createProblem(error.httpStatus, error.code, error.message, errors);
  }
}

/** A health report: Terminus throws it as an exception with a body of its own, which is the answer and no problem. */
function reportOf(error: unknown): { status: number; body: object } | undefined {
  if (!(error instanceof HttpException)) return undefined;
  const body = error.getResponse();
  return typeof body === 'object' && 'details' in body ? { status: error.getStatus(), body } : undefined;
}

// The query is left out of logs: it may carry what people search for.
const pathOf = (request: FastifyRequest): string => request.url.split('?', 1)[0] ?? '';

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

function statusOf(error: unknown): number {
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : 500;
}
