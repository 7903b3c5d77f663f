import type { PositionLogprobs } from './logprobs.js';
import type { Sampling } from './sampling.js';
import type { Detokenize } from './token-text.js';

export interface ChatTurn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly text: string;
}

export interface GenerationRequest {
  /** Token ids, all within the vocabulary. `prompt.length + maxTokens` fits the window. */
  readonly prompt: readonly number[];
  /** Tokens to generate, at least 1. */
  readonly maxTokens: number;
  /** Whether the generation goes on to `maxTokens` past the model's end of text. */
  readonly ignoreEos: boolean;
  /** Whether the logprobs of the prompt's own tokens are wanted; they come in one `prompt` event. */
  readonly scorePrompt: boolean;
  /** Alternatives per token; `null`: no logprobs. */
  readonly logprobs: number | null;
  readonly sampling: Sampling;
}

export type FinishReason = 'stop' | 'length';

export type GenerationEvent =
  | {
      readonly kind: 'prompt';
      /** One per prompt token; the first has none, for nothing stands before it. */
      readonly positions: readonly (PositionLogprobs | null)[];
    }
  | {
      readonly kind: 'token';
      readonly token: number;
      readonly position: PositionLogprobs | null;
      /** Set on the last token: the model ended its text, or `maxTokens` is reached. */
      readonly finish: FinishReason | undefined;
    };

/** Takes one event; the model waits for it. `'stop'` ends the generation. */
export type GenerationListener = (event: GenerationEvent) => Promise<'go on' | 'stop'>;

/** A loaded language model with its sequences: what the HTTP side needs of it. */
export interface LanguageModel {
  readonly id: string;
  /** Prompt plus generated tokens that fit (`max_model_len`). */
  readonly windowTokens: number;
  readonly vocabularySize: number;
  /** UTF-16 code units of the longest token. A text has at least its length divided by this number of tokens. */
  readonly longestTokenLength: number;
  /** Requests whose prompts may wait at once. */
  readonly queueLimit: number;
  readonly runningCount: number;
  readonly waitingCount: number;

  /** @param withSpecialTokens whether a BOS is put before it, where the model wants one */
  tokenize(text: string, withSpecialTokens: boolean): number[];
  /** Tokens as they stand, special ones printed. */
  detokenize: Detokenize;
  /** A token as the vocabulary spells it (`Ġsky`): its bytes, even if they are only a part of a character. */
  pieceOf(token: number): string;
  isSpecial(token: number): boolean;
  /**
   * The model's own chat template, up to where the assistant's answer starts. Text of the turns that looks like a
   * special token stays text.
   * @throws InvalidRequestError where the model has no template or the template refuses the turns
   */
  renderChat(turns: readonly ChatTurn[]): number[];

  /** @throws QueueFullError unless `count` more prompts find a sequence or a place in the queue */
  assertRoomFor(count: number): void;
  /**
   * Runs one prompt. Takes its place in the queue before it returns; resolves when the generation has ended and its
   * sequence is free again, also after an abort, which takes effect between two evaluations.
   * @throws QueueFullError, EngineFailedError, or the signal's reason
   */
  generate(request: GenerationRequest, signal: AbortSignal, listener: GenerationListener): Promise<void>;

  dispose(): Promise<void>;
}
