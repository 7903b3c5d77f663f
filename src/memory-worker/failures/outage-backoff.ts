import { Logger } from '@nestjs/common';
import { describeError, fullJitterBackoffMs, sleep } from '../../shared/index.js';
import { isOutage } from './failure-classification.js';
import type { WorkerStatus } from '../worker-status.js';

const INITIAL_MS = 250;

/** The time from the first failure of an outage to the next success: shown in the status, logged once, with backoff. */
export class OutageBackoff {
  private readonly logger = new Logger('MemoryWorker');
  private failures = 0;
  private outages = 0;

  constructor(
    private readonly status: WorkerStatus,
    private readonly maxMs: number,
  ) {}

  get isActive(): boolean {
    return this.failures > 0;
  }

  /** Outages so far. The failure of work that began before the last one brings no news. */
  get count(): number {
    return this.outages;
  }

  /** Begins an outage, or makes its next pause longer. */
  fail(error: unknown): void {
    const reason = describeError(error);
    if (!this.isActive || reason !== this.status.waitingFor) {
      const stack = isOutage(error) || !(error instanceof Error) ? undefined : error.stack;
      this.logger.warn(`Waiting, nothing is lost: ${reason}${stack === undefined ? '' : `\n${stack}`}`);
    }
    if (!this.isActive) this.outages += 1;
    this.failures += 1;
    this.status.state = 'waiting';
    this.status.waitingFor = reason;
  }

  recover(): void {
    if (!this.isActive) return;
    this.failures = 0;
    this.status.state = 'running';
    this.status.waitingFor = undefined;
    this.logger.log('Working again');
  }

  async pause(signal: AbortSignal): Promise<void> {
    await sleep(fullJitterBackoffMs(this.failures - 1, { initialMs: INITIAL_MS, maxMs: this.maxMs }), signal);
  }
}
