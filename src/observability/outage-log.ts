import type { Logger } from '@nestjs/common';

// Where only some requests fail (those of users on one shard of a cluster, for example), each success between them
// would end the outage, and the next failure begin another: two lines a request.
const OVER_AFTER_MS = 10_000;

export interface OutageTexts {
  /** Is followed by the reason. */
  readonly begins: string;
  /** Is followed by the time since the first failure. */
  readonly ends: string;
}

/**
 * Logs failures that come with every request once: when they begin, when the reason changes, and with the first success
 * after `overAfterMs` without any.
 */
export class OutageLog {
  private problem: string | undefined;
  private beganAt = 0;
  private loggedAt = 0;
  private failedAt = 0;

  constructor(
    private readonly logger: Logger,
    private readonly texts: OutageTexts,
    private readonly overAfterMs = OVER_AFTER_MS,
  ) {}

  failed(problem: string): void {
    const now = performance.now();
    if (this.problem === undefined) this.beganAt = now;
    const isNews = this.problem === undefined || (problem !== this.problem && now - this.loggedAt >= OVER_AFTER_MS);
    this.failedAt = now;
    if (!isNews) return;
    this.problem = problem;
    this.loggedAt = now;
    this.logger.warn(`${this.texts.begins}: ${problem}`);
  }

  succeeded(): void {
    const now = performance.now();
    if (this.problem === undefined || now - this.failedAt < this.overAfterMs) return;
    this.problem = undefined;
    this.logger.log(`${this.texts.ends} after ${Math.round((now - this.beganAt) / 1_000)} s`);
  }
}
