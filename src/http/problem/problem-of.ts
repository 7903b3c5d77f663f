import { HttpException, type LoggerService } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { BrainError, describeError } from '../../shared/index.js';
import { InvalidRequestError } from '../http.errors.js';
import { createProblem, type Problem } from './problem.js';

/** What the HTTP server itself refuses, before any code of ours sees the request. */
const REFUSAL_CODES: Readonly<Record<number, string>> = {
  400: 'REQUEST_MALFORMED',
  404: 'ROUTE_NOT_FOUND',
  405: 'REQUEST_METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  413: 'REQUEST_BODY_TOO_LARGE',
  414: 'REQUEST_PATH_TOO_LONG',
  415: 'REQUEST_UNSUPPORTED_MEDIA_TYPE',
  417: 'REQUEST_EXPECTATION_UNKNOWN',
  431: 'REQUEST_HEADERS_TOO_LARGE',
};

/** What is told of a request that the HTTP server itself refuses with `status`. */
export function refusalProblem(status: number, detail: string): Problem {
  return createProblem(status, REFUSAL_CODES[status] ?? `HTTP_${status}`, detail);
}

/** What a client is told of an error; `logger` is told of those that are the server's. */
export function problemOf(error: unknown, request: FastifyRequest, logger: LoggerService): Problem {
  if (error instanceof BrainError) return fromBrainError(error, request, logger);
  const status = statusOf(error);
  if (status < 500) return refusalProblem(status, describeError(error));
  logger.error(
    `${request.method} ${pathOf(request)} failed unexpectedly: ${describeError(error)}`,
    error instanceof Error ? error.stack : undefined,
  );
  return createProblem(500, 'INTERNAL_ERROR', 'The request failed unexpectedly; the server log says more.');
}

function fromBrainError(error: BrainError, request: FastifyRequest, logger: LoggerService): Problem {
  if (error.httpStatus >= 500) {
    logger.warn(
      `${request.method} ${pathOf(request)} answered ${error.httpStatus} ${error.code}: ${describeError(error)}`,
    );
  }
  const errors = error instanceof InvalidRequestError ? error.errors : undefined;
  return createProblem(error.httpStatus, error.code, error.message, errors);
}

// The query is left out of logs: it may carry what people search for.
const pathOf = (request: FastifyRequest): string => request.url.split('?', 1)[0] ?? '';

function statusOf(error: unknown): number {
  if (error instanceof HttpException) return error.getStatus();
  return error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number'
    ? error.statusCode
    : 500;
}
