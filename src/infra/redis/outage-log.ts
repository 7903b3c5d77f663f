import type { Logger } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { connectionProblem } from './connection-problem.js';

/**
 * Tells an outage once when it begins and once when all that was lost is back, however many connections it takes and
 * however often they try.
 */
export class OutageLog {
  private readonly lost = new Set<object>();
  private lastProblem: string | undefined;
  private since: number | undefined;
  private isOver = false;

  constructor(
    private readonly address: string,
    private readonly logger: Logger,
  ) {}

  /** Takes `error` for the reason of what is lost next. */
  note(error: unknown): void {
    this.lastProblem = connectionProblem(error);
  }

  onLost(connection: object): void {
    if (this.isOver) return;
    this.lost.add(connection);
    if (this.since !== undefined) return;
    this.since = performance.now();
    this.logger.warn(
      `No connection to Redis at ${this.address}, trying again: ${this.lastProblem ?? 'connection closed'}`,
    );
  }

  onRegained(connection: object): void {
    this.lost.delete(connection);
    if (this.since === undefined || this.lost.size > 0) return;
    const seconds = Math.round((performance.now() - this.since) / 1_000);
    this.since = undefined;
    this.lastProblem = undefined;
    this.logger.log(`Connected to Redis at ${this.address} again after ${seconds} s`);
  }

  /** Follows a connection that comes back by itself. `isExpected` is asked about each end of it. */
  watch(client: Redis, isExpected: () => boolean = () => false): void {
    client.on('error', (error) => {
      // What the driver makes of the failures of all Sentinels leaves out what one of them said.
      if (!error.message.startsWith('All sentinels are unreachable')) this.note(error);
      // A connection that no Sentinel has an address for is not even begun, so it does not end.
      if (client.status === 'connecting') this.onLost(client);
    });
    client.on('sentinelError', (error: Error) => {
      this.note(error);
    });
    client.on('close', () => {
      if (!isExpected()) this.onLost(client);
    });
    client.on('ready', () => {
      this.onRegained(client);
    });
  }

  /** From here on connections end because they are closed. */
  stop(): void {
    this.isOver = true;
  }
}
