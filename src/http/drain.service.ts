import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import { ShutdownDeadline } from '../infra/lifecycle/index.js';
import { sleep } from '../shared/index.js';

/**
 * Lets requests finish while the process stops.
 *
 * From the first moment of the shutdown `draining` is true, which turns readiness to 503; the server goes on serving
 * until no request is left or the shutdown deadline is over. Without it Fastify either cuts requests in flight or
 * waits for idle keep-alive connections, for more than a minute.
 */
@Injectable()
export class DrainService implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger('Brain');
  private readonly active = new Set<object>();
  private readonly idle = new AbortController();
  private isDraining = false;

  constructor(
    private readonly adapterHost: HttpAdapterHost,
    private readonly deadline: ShutdownDeadline,
  ) {}

  get draining(): boolean {
    return this.isDraining;
  }

  /** Requests being answered. */
  get activeRequests(): number {
    return this.active.size;
  }

  onApplicationBootstrap(): void {
    const fastify = this.adapterHost.httpAdapter.getInstance<FastifyInstance>();
    fastify.addHook('onRequest', (_request, reply, done) => {
      this.active.add(reply);
      reply.raw.once('close', () => {
        this.active.delete(reply);
        if (this.isDraining && this.active.size === 0) this.idle.abort();
      });
      done();
    });
    fastify.addHook('onSend', async (_request, reply, payload) => {
      if (this.isDraining) void reply.header('connection', 'close');
      return payload;
    });
  }

  onModuleDestroy(): void {
    this.isDraining = true;
    this.deadline.remainingMs();
  }

  async beforeApplicationShutdown(): Promise<void> {
    if (this.active.size === 0) return;
    this.logger.log(`Waiting for ${this.active.size} request(s) to finish`);
    await sleep(this.deadline.remainingMs(), this.idle.signal);
    if (this.active.size > 0) this.logger.warn(`Cutting ${this.active.size} request(s): the grace period is over`);
  }
}
