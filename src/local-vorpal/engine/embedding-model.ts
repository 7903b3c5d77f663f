import type { Lane } from './sequence-pool.js';

export interface Embedding {
  /** Unit length. */
  readonly vector: Float32Array;
  /** Tokens that were read, special ones included; at most the window. */
  readonly tokenCount: number;
}

/** A loaded embedding model: what the HTTP side needs of it. */
export interface EmbeddingModel {
  readonly id: string;
  /** Which weights these are: vectors of two builds of one model differ in the last digits. */
  readonly build: string;
  readonly dimensions: number;
  readonly vocabularySize: number;
  /** Tokens that the model reads; of a longer text it reads the beginning. */
  readonly windowTokens: number;
  /** Texts that may wait at once. */
  readonly queueLimit: number;

  /** @throws QueueFullError unless `count` more texts find a place in the queue */
  assertRoomFor(count: number): void;
  /**
   * One text, or token ids taken verbatim. What is `interactive` goes before what waits as `background`.
   * @throws QueueFullError, EngineFailedError, or the signal's reason
   */
  embed(input: string | readonly number[], lane: Lane, signal: AbortSignal): Promise<Embedding>;

  dispose(): Promise<void>;
}

/** The model's name with its build. */
export const exactNameOf = ({ id, build }: EmbeddingModel): string => `${id}/${build}`;
