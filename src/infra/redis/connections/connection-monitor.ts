import type { Logger } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { OutageLog } from '../../../observability/index.js';
import { connectionProblem } from '../errors/connection-problem.js';

/**
 * Logs an outage once when the first connection is lost, and once when all are back, however many connections there are
 * and however often they try.
 */
export class ConnectionMonitor {
  private readonly lost = new Set<object>();
  private readonly outages: OutageLog;
  private lastProblem: string | undefined;
  private isStopped = false;

  constructor(address: string, logger: Logger) {
    const texts = {
      begins: `No connection to Redis at ${address}, trying again`,
      ends: `Connected to Redis at ${address} again`,
    };
    this.outages = new OutageLog(logger, texts, 0);
  }

  /** Takes `error` for the reason of the next connection that is lost. */
  note(error: unknown): void {
    this.lastProblem = connectionProblem(error);
  }

  onLost(connection: object): void {
    if (this.isStopped) return;
    const isFirst = this.lost.size === 0;
    this.lost.add(connection);
    if (isFirst) this.outages.failed(this.lastProblem ?? 'connection closed');
  }

  onRegained(connection: object): void {
    const wasOutage = this.lost.size > 0;
    this.lost.delete(connection);
    if (!wasOutage || this.lost.size > 0) return;
    this.outages.succeeded();
    this.lastProblem = undefined;
  }

  /** Follows a connection that reconnects by itself. `isExpected` is asked about each end of it. */
  follow(client: Redis, isExpected: () => boolean = () => false): void {
    client.on('error', (error) => {
      // The driver's summary of the failures of all Sentinels leaves out what one of them said.
      if (!error.message.startsWith('All sentinels are unreachable')) this.note(error);
      // A connection that no Sentinel has an address for is not even started, so it does not end.
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

  /** From now on connections end because they are closed. */
  stop(): void {
    this.isStopped = true;
  }
}
