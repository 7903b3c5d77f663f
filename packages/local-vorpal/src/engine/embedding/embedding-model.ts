import type { Lane } from '../sequence-pool.js';
import type { Truncation } from './truncation.js';

/** A loaded embedding model: what the HTTP side needs of it. */
export interface EmbeddingModel {
  readonly id: string;
  /** Which weights these are: vectors of two builds of one model differ in the last digits. */
  readonly build: string;
  readonly dimensions: number;
  readonly vocabularySize: number;
  /** Tokens that the model reads, special ones included. */
  readonly windowTokens: number;
  /** Characters beyond which a text, its blanks drawn together, has more tokens than that for certain. */
  readonly maxCharacters: number;
  /** Texts that may wait at once. */
  readonly queueLimit: number;

  /** With the special tokens around them, which a truncation counts and leaves where they are. */
  tokenize(text: string, truncation?: Truncation): readonly number[];
  /** @throws QueueFullError unless `count` more texts find a place in the queue */
  assertRoomFor(count: number): void;
  /**
   * The unit vector of tokens taken verbatim, at most the window of them. What is `interactive` goes before what waits
   * as `background`.
   * @throws QueueFullError, EngineFailedError, or the signal's reason
   */
  embed(tokens: readonly number[], lane: Lane, signal: AbortSignal): Promise<Float32Array>;

  dispose(): Promise<void>;
}

/** The model's name with its build. */
export const exactNameOf = ({ id, build }: EmbeddingModel): string => `${id}/${build}`;
