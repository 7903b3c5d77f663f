import {
  type BeforeApplicationShutdown,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleDestroy,
} from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyInstance } from 'fastify';
import type { Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ShutdownDeadline } from '../infra/lifecycle/index.js';
import { Condition, sleep } from '../shared/index.js';

// A client can be told to leave only with an answer. One that keeps its connection and is busy has asked for the next by
// then; cut at once, its request would be under way to nobody.
const LINGER_MS = 500;
// Where somebody always asks, it stops to listen after this share of the remaining time: the rest is for the answers.
const LISTENING_SHARE = 0.5;
// The most of the remaining time that is spent on clients who ask nothing.
const LINGER_SHARE = 0.25;

/**
 * Lets requests finish while the process stops.
 *
 * From the first moment of the shutdown `draining` is true, which turns readiness to 503; the server goes on serving
 * until no request is left, and for a moment more those who keep a connection: each is told with its answer that the
 * connection closes. Then it stops to listen, and serves what it has accepted by then. All within the shutdown deadline.
 * Without it Fastify either cuts requests in flight or waits for idle keep-alive connections, for more than a minute.
 */
@Injectable()
export class DrainService implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger('Brain');
  // A number, not the requests: the tables that a Set outgrows point to their successors, and one that the garbage collector
  // took for long-lived keeps all that follow, with their requests, until the next full collection.
  private active = 0;
  private readonly connections = new Set<Socket>();
  private readonly change = new Condition();
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
    return this.active;
  }

  onApplicationBootstrap(): void {
    const { fastify } = this;
    fastify.server.on('connection', (socket) => {
      this.connections.add(socket);
      socket.once('close', () => {
        this.connections.delete(socket);
        this.change.notify();
      });
    });
    fastify.addHook('onRequest', (_request, reply, done) => {
      this.active += 1;
      reply.raw.once('close', () => {
        this.active -= 1;
        this.change.notify();
      });
      done();
    });
    fastify.addHook('onSend', (_request, reply, payload, done) => {
      if (this.isDraining) void reply.header('connection', 'close');
      done(null, payload);
    });
  }

  onModuleDestroy(): void {
    this.isDraining = true;
    this.deadline.remainingMs();
  }

  async beforeApplicationShutdown(): Promise<void> {
    if (this.active > 0) this.logger.log(`Waiting for ${this.active} request(s) to finish`);
    await this.until(() => this.active === 0, this.deadline.remainingMs() * LISTENING_SHARE);
    await this.until(() => this.connections.size === 0, this.lingerMs());
    await this.stopListening();
    await this.until(() => this.connections.size === 0, this.lingerMs());
    await this.until(() => this.active === 0, this.deadline.remainingMs());
    if (this.active > 0) this.logger.warn(`Cutting ${this.active} request(s): the grace period is over`);
  }

  private get fastify(): FastifyInstance {
    return this.adapterHost.httpAdapter.getInstance<FastifyInstance>();
  }

  private lingerMs(): number {
    return Math.min(LINGER_MS, this.deadline.remainingMs() * LINGER_SHARE);
  }

  /** Closes the listener, and the connections that wait for another request; those that wait for their first one stay. */
  private async stopListening(): Promise<void> {
    // Connections that were made meanwhile are accepted first; those that still wait then are refused by the kernel.
    await nextTurn();
    this.fastify.server.close();
  }

  /** Resolves when `condition` holds, at the latest after `limitMs`. */
  private async until(condition: () => boolean, limitMs: number): Promise<void> {
    const over = new AbortController();
    await this.change.wait(condition, sleep(limitMs, over.signal));
    over.abort();
  }
}
