import type { EmbeddingSpace } from '../memory.js';

/** A memory that the next embedding space lacks. */
export interface PendingReembedding {
  readonly userId: string;
  readonly id: string;
  readonly text: string;
}

/** A memory with its vector in the next embedding space. */
export interface ReembeddedMemory extends PendingReembedding {
  readonly vector: Float32Array;
}

/** How many memories of all users there are, and for how many of them the work is done. */
export interface StoreProgress {
  readonly total: number;
  readonly done: number;
}

/**
 * Moves the memories of all users to another embedding space. Only `npm run memories:reembed` uses it.
 *
 * Order: {@link begin}, then {@link pending} and {@link put} until nothing is pending, then {@link finish}. Until then
 * search uses the old vectors. The move may stop at any point: another process continues it with {@link begin}.
 * Concurrency: brains may read and delete meanwhile. A memory that was deleted gets no vector.
 * Failures: every method throws `MemoryStoreUnavailableError` (transient) when the store cannot be reached.
 */
export abstract class ReembeddingStore {
  /** Begins a move to `space`, or continues it. An unfinished move to another space is abandoned. */
  abstract begin(space: EmbeddingSpace): Promise<void>;

  /** Memories that have no vector in the next space, at most `limit`; `[]` when none is left, or nothing is moved. */
  abstract pending(limit: number): Promise<PendingReembedding[]>;

  /** How far the move is: `done` counts the memories with a vector in the next space. */
  abstract progress(): Promise<StoreProgress>;

  /**
   * Gives memories their vectors in the next space. Does nothing where the move is finished.
   * @throws MemoryVectorError before anything is written, for a vector that does not belong to the next space
   */
  abstract put(items: readonly ReembeddedMemory[]): Promise<void>;

  /** Makes the next space the current one and drops the old vectors. Only call it when none is pending. */
  abstract finish(): Promise<void>;
}
