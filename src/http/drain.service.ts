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

// A client learns only from an answer that its connection closes. A busy client has sent its next request by then, and
// cutting the connection at once would lose that request.
const LINGER_MS = 500;
// Under constant requests the server stops listening after this share of the remaining time. The rest is for answers.
const LISTENING_SHARE = 0.5;
// The largest share of the remaining time that is spent on idle clients.
const LINGER_SHARE = 0.25;

/**
 * Lets requests finish while the process stops.
 *
 * From the start of the shutdown `draining` is true, and readiness answers 503. The server goes on serving until no
 * request is left, and a moment longer for clients that keep a connection: each learns with its answer that the
 * connection closes. Then the server stops listening, and answers what it has accepted. All of it happens within the
 * shutdown deadline. Without this service Fastify either cuts requests in flight or waits for idle keep-alive
 * connections, for more than a minute.
 */
@Injectable()
export class DrainService implements OnApplicationBootstrap, OnModuleDestroy, BeforeApplicationShutdown {
  private readonly logger = new Logger('Brain');
  // A count, not a Set of requests. A table that a Set has outgrown points to the next one. Once the garbage collector
  // has moved an old table to the old generation, all later ones stay until a full collection, with their requests.
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

  /** Closes the listener and idle connections; a connection that still waits for its first request stays open. */
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
