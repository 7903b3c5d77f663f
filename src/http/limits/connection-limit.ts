import type { FastifyInstance } from 'fastify';
import type { Socket } from 'node:net';
import { TooManyConnectionsError } from '../http.errors.js';

// A supervisor that gets no answer restarts what is busy, and all that it was doing is lost.
const PROBES = '/health/';

/**
 * Bounds the connections of a server. Where one comes on top, the one that has been without a request for longest is
 * closed for it; where all have one under way, the new one is told to come back.
 */
export class ConnectionLimit {
  private count = 0;
  /** Those without a request, the longest first. */
  private readonly waiting = new Set<Socket>();
  private readonly surplus = new WeakSet<Socket>();
  private readonly requests = new WeakMap<Socket, number>();

  constructor(
    fastify: FastifyInstance,
    private readonly maxConnections: number,
  ) {
    fastify.server.on('connection', (socket) => {
      this.accept(socket);
    });
    fastify.addHook('onRequest', (request, reply, done) => {
      const { socket } = request.raw;
      this.begin(socket);
      reply.raw.once('close', () => {
        this.end(socket);
      });
      const isRefused = this.surplus.has(socket) && !request.url.startsWith(PROBES);
      if (isRefused) void reply.header('connection', 'close');
      done(isRefused ? new TooManyConnectionsError(this.maxConnections) : undefined);
    });
  }

  private accept(socket: Socket): void {
    this.count += 1;
    this.waiting.add(socket);
    socket.once('close', () => {
      this.count -= 1;
      this.waiting.delete(socket);
    });
    if (this.count <= this.maxConnections) return;
    const [longest] = this.waiting;
    if (longest === undefined) return;
    // In the place of one that was too many comes another.
    if (longest === socket || this.surplus.has(longest)) this.surplus.add(socket);
    if (longest !== socket) longest.destroy();
  }

  private begin(socket: Socket): void {
    this.waiting.delete(socket);
    this.requests.set(socket, (this.requests.get(socket) ?? 0) + 1);
  }

  private end(socket: Socket): void {
    const left = (this.requests.get(socket) ?? 1) - 1;
    this.requests.set(socket, left);
    if (left === 0 && !socket.destroyed) this.waiting.add(socket);
  }
}
