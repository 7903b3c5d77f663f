import { Inject, Injectable } from '@nestjs/common';
import { memoryWorkerSettings, type MemoryWorkerSettings } from '../memory-worker.settings.js';
import { Embedder } from '../../memory/index.js';
import { BrainError, CANARY_SENTENCE, TimeLimitError, withTimeLimit } from '../../shared/index.js';
import type { StreamEntry } from '../../stream/index.js';
import { PerplexityScorer, type ScoringOptions } from '../../vorpal/index.js';

// A server that needs longer for one sentence is not working well enough to be evidence.
const TIMEOUT_MS = 5_000;

/** Has Vorpal score and embed a harmless text, as it does with an entry: evidence of whether it works right now. */
@Injectable()
export class CanaryProbe {
  private probes = 0;

  constructor(
    private readonly scorer: PerplexityScorer,
    private readonly embedder: Embedder,
    @Inject(memoryWorkerSettings.KEY) private readonly settings: MemoryWorkerSettings,
  ) {}

  /**
   * Whether one sentence is scored and embedded within five seconds. The time that the scoring request waits for its
   * turn does not count. @throws AbortError
   */
  async succeeds(signal: AbortSignal): Promise<boolean> {
    const timeoutMs = Math.min(TIMEOUT_MS, this.settings.scoringTimeoutMs);
    return this.isAnswered(this.textOf(0), { signal, timeoutMs, isUrgent: true });
  }

  /**
   * Whether a text of the entry's length is scored and embedded. A Vorpal that is too slow or has too little memory for
   * that length fails on this text as well. @throws AbortError
   */
  async succeedsFor({ message, context }: StreamEntry, signal: AbortSignal): Promise<boolean> {
    return this.isAnswered(this.textOf(message.length + context.length), { signal });
  }

  private async isAnswered(text: string, scoring: ScoringOptions & { readonly signal: AbortSignal }): Promise<boolean> {
    const { signal, timeoutMs } = scoring;
    const embed = (ended: AbortSignal) => this.embedder.embed([text], { signal: ended });
    try {
      const [[score]] = await Promise.all([
        this.scorer.score([{ text }], scoring),
        timeoutMs === undefined ? embed(signal) : withTimeLimit(timeoutMs, embed, signal),
      ]);
      return score !== undefined && score.failure === undefined;
    } catch (error) {
      if (signal.aborted) throw error;
      if (error instanceof BrainError || error instanceof TimeLimitError) return false;
      throw error;
    }
  }

  /** Never the same text twice: an answer from a cache says nothing about the server behind it. */
  private textOf(characters: number): string {
    this.probes += 1;
    const text = `${this.probes}. ${CANARY_SENTENCE} `;
    const repeats = Math.ceil((characters - text.length) / (CANARY_SENTENCE.length + 1));
    return text + `${CANARY_SENTENCE} `.repeat(Math.max(0, repeats));
  }
}
