import { z } from 'zod';
import type { TokenSpan } from '../vorpal/index.js';
import { optional, wellFormedText, withDefault } from '../http/index.js';

/** More texts would make one request hold the scorer for long; clients send several requests instead. */
const MAX_TEXTS = 64;

/** `POST /perplexity`: `text` or `texts`, with a `context` that is read before each of them and not scored. */
export const perplexityRequestSchema = z
  .strictObject({
    text: optional(wellFormedText),
    texts: optional(
      z
        .array(wellFormedText)
        .min(1, 'must hold at least one text')
        .max(MAX_TEXTS, `must hold at most ${MAX_TEXTS} texts`),
    ),
    context: optional(wellFormedText),
    /** `false`: the numbers alone. An answer with its tokens is some thirty times as long as the text. */
    tokens: withDefault(z.boolean('must be true or false'), true),
  })
  .refine(({ text, texts }) => (text === undefined) !== (texts === undefined), {
    message: 'give either "text" or "texts"',
  });
export type PerplexityRequest = z.infer<typeof perplexityRequestSchema>;

/** `token` is empty where a token is the rest of a character that began in the one before it. */
export interface ScoredToken extends TokenSpan {
  readonly logprob: number | null;
}

export interface TextPerplexity {
  /** `exp(-avg_logprob)`; `null` where there is nothing to average, and `reason` then says why. */
  readonly perplexity: number | null;
  readonly avg_logprob: number | null;
  readonly token_count: number;
  /** Unless the request wants none. Their `token`s joined are the text, whatever the server names them. */
  readonly tokens?: readonly ScoredToken[];
  readonly reason?: string;
}

interface ScoringConditions {
  readonly model: string;
  /**
   * The token that each text was scored after (`SCORING_PREFIX`), beside a BOS that the tokenizer adds; `null`: none.
   */
  readonly prefix: string | null;
}

export interface PerplexityResponse extends ScoringConditions {
  readonly results: readonly TextPerplexity[];
}

export type SinglePerplexityResponse = TextPerplexity & ScoringConditions;
