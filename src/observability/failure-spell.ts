import type { Logger } from '@nestjs/common';

// Where only some requests fail, those of the users on one shard of a cluster for instance, each success between them would
// end the spell, and the next failure begin another: two lines a request.
const OVER_AFTER_MS = 10_000;

export interface SpellTexts {
  /** Followed by what is wrong. */
  readonly begins: string;
  readonly ends: string;
}

/**
 * Failures that come with every request, in the log once: when they begin, when something else is wrong, and with the first
 * success after ten seconds without any.
 */
export class FailureSpell {
  private problem: string | undefined;
  private toldAt = 0;
  private lastAt = 0;

  constructor(
    private readonly logger: Logger,
    private readonly texts: SpellTexts,
  ) {}

  failed(problem: string): void {
    const now = performance.now();
    const isNews = this.problem === undefined || (problem !== this.problem && now - this.toldAt >= OVER_AFTER_MS);
    this.lastAt = now;
    if (!isNews) return;
    this.problem = problem;
    this.toldAt = now;
    this.logger.warn(`${this.texts.begins}: ${problem}`);
  }

  succeeded(): void {
    if (this.problem === undefined || performance.now() - this.lastAt < OVER_AFTER_MS) return;
    this.problem = undefined;
    this.logger.log(this.texts.ends);
  }
}
