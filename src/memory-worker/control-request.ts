import { Injectable } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { Embedder } from '../memory/index.js';
import { BrainError } from '../shared/index.js';
import type { StreamEntry } from '../stream/index.js';
import { PerplexityScorer, type ScoringOptions } from '../vorpal/index.js';

// Whatever a server can score and embed at all, it can score and embed this.
const PLAIN_SENTENCE = 'The sky is blue. ';

// A server that needs longer for one sentence is not the witness that is looked for. What the request waits for its turn
// does not count: that is no sign of the server.
const TIMEOUT_MS = 5_000;

/** Asks Vorpal for the same as an entry does, with a harmless text: evidence of whether it works at this moment. */
@Injectable()
export class ControlRequest {
  private asked = 0;

  constructor(
    private readonly scorer: PerplexityScorer,
    private readonly embedder: Embedder,
    private readonly settings: Settings,
  ) {}

  /** Whether a plain sentence is scored and embedded, soon. @throws AbortError */
  async succeeds(signal: AbortSignal): Promise<boolean> {
    const timeoutMs = Math.min(TIMEOUT_MS, this.settings.vorpal.scoringTimeoutMs);
    const embedding = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    return this.isAnswered(this.textOf(0), { signal, timeoutMs, isUrgent: true }, embedding);
  }

  /**
   * Whether a text of the entry's length is scored and embedded: a Vorpal that is too slow, or has too little memory, for
   * the length fails on this one as well. @throws AbortError
   */
  async succeedsFor({ message, context }: StreamEntry, signal: AbortSignal): Promise<boolean> {
    return this.isAnswered(this.textOf(message.length + context.length), { signal }, signal);
  }

  private async isAnswered(
    text: string,
    scoring: ScoringOptions & { readonly signal: AbortSignal },
    embedding: AbortSignal,
  ): Promise<boolean> {
    try {
      const [[score]] = await Promise.all([
        this.scorer.score([{ text }], scoring),
        this.embedder.embed([text], { signal: embedding }),
      ]);
      return score !== undefined && score.failure === undefined;
    } catch (error) {
      if (scoring.signal.aborted) throw error;
      if (error instanceof BrainError || embedding.aborted) return false;
      throw error;
    }
  }

  /** Never the same twice: an answer out of some cache would say nothing about the server behind it. */
  private textOf(characters: number): string {
    this.asked += 1;
    const text = `${this.asked}. ${PLAIN_SENTENCE}`;
    return text + PLAIN_SENTENCE.repeat(Math.max(0, Math.ceil((characters - text.length) / PLAIN_SENTENCE.length)));
  }
}
