import { Injectable } from '@nestjs/common';
import { BrainError, Semaphore } from '../../shared/index.js';
import type { TextScore } from './perplexity.scorer.js';
import { namesTellSpans, type TokenSpan, tokenSpans } from './token-spans.js';
import { VorpalClient } from '../vorpal.client.js';

// Each call holds a connection that scoring needs as well.
const TOKENIZE_CONCURRENCY = 8;

export interface ScoredText {
  readonly text: string;
  readonly score: TextScore;
}

/**
 * Tokens of scored texts as people see them. Servers name those of a character that several tokens share in ways of
 * their own; where there are such, the tokenizer is asked how it spells the text, one small call each.
 */
@Injectable()
export class TokenSpansService {
  constructor(private readonly client: VorpalClient) {}

  /** For each text, the part that each token of its score represents. Throws nothing but an `AbortError`. */
  async spansOf(scored: readonly ScoredText[], signal?: AbortSignal): Promise<TokenSpan[][]> {
    return new Semaphore(TOKENIZE_CONCURRENCY).map(scored, async ({ text, score }) => {
      const names = score.tokens.map(({ token }) => token);
      const isTold = names.length === 0 || namesTellSpans(text, names);
      const pieces = isTold ? null : await this.piecesOf(text, score.model, signal);
      return tokenSpans(text, names, pieces);
    });
  }

  private async piecesOf(text: string, model: string, signal?: AbortSignal): Promise<string[] | null> {
    try {
      return await this.client.tokenPieces(text, { model, signal });
    } catch (error) {
      // The score is there, and the names alone show where most of it belongs.
      if (error instanceof BrainError) return null;
      throw error;
    }
  }
}
