import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BrainError, describeError, isAbortError } from '../shared/index.js';
import { InvalidRequestError } from './http.errors.js';
import { createProblem, type Problem, PROBLEM_CONTENT_TYPE } from './problem.js';

/** What the HTTP server itself refuses, before any code of ours sees the request. */
const REFUSAL_CODES: Readonly<Record<number, string>> = {
  400: 'REQUEST_MALFORMED',
  404: 'ROUTE_NOT_FOUND',
  413: 'REQUEST_BODY_TOO_LARGE',
  415: 'REQUEST_UNSUPPORTED_MEDIA_TYPE',
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
    const status = statusOf(error);
    if (status < 500) return createProblem(status, REFUSAL_CODES[status] ?? `HTTP_${status}`, describeError(error));
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

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : 500;
}
