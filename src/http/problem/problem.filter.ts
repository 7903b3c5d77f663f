import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { BrainError, isAbortError } from '../../shared/index.js';
import { hasBody } from '../body/json-body.js';
import { PROBLEM_CONTENT_TYPE } from './problem.js';
import { problemOf } from './problem-of.js';

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
    const problem = problemOf(error, request, this.logger);
    // What is still to come of a request that has failed is not waited for.
    if (hasBody(request) && !request.raw.complete) void reply.header('connection', 'close');
    if (error instanceof BrainError && error.retryAfterSeconds !== undefined) {
      void reply.header('retry-after', String(Math.ceil(error.retryAfterSeconds)));
    }
    void reply.status(problem.status).type(PROBLEM_CONTENT_TYPE).send(JSON.stringify(problem));
  }
}

/** A health report: Terminus throws it as an exception with a body of its own, which is the answer and no problem. */
function reportOf(error: unknown): { status: number; body: object } | undefined {
  if (!(error instanceof HttpException)) return undefined;
  const body = error.getResponse();
  return typeof body === 'object' && 'details' in body ? { status: error.getStatus(), body } : undefined;
}
