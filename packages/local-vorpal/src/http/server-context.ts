import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ErrorBody } from '@archive-brain/vllm-protocol';
import type { ModelsInService } from '../models-in-service.js';
import type { VorpalMetrics } from '../vorpal-metrics.js';

/** What every route needs. */
export interface ServerContext {
  readonly models: ModelsInService;
  readonly metrics: VorpalMetrics;
  /** Aborted when the client goes away before it has its answer, or the server can wait no longer. */
  readonly endOf: (reply: FastifyReply) => AbortSignal;
  /** Logs what is the server's own fault. */
  readonly describeFailure: (error: unknown) => ErrorBody;
  /** As OpenAI's ids: `cmpl-…`, with the client's own `X-Request-Id` if it sent one. */
  readonly answerId: (prefix: string, request: FastifyRequest) => string;
}

/** Whole seconds since the epoch, as OpenAI's `created`. */
export function nowInSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
