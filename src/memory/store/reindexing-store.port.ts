import type { Memory } from '../memory.js';
import type { IndexedMemory } from './memory-store.port.js';
import type { StoreProgress } from './reembedding-store.port.js';

/**
 * Indexes the words of memories again that an older version of the program indexed, or did not index, for all users.
 * `npm run memories:reindex` uses it; health reads its progress.
 *
 * Order: {@link pending} and {@link put} until nothing is pending. The work may stop at any point, and brains may go on
 * meanwhile. A memory that was deleted meanwhile is passed over.
 * Failures: every method throws `MemoryStoreUnavailableError` (transient) when the store cannot be reached.
 */
export abstract class ReindexingStore {
  /** At most `limit` memories with terms or digest missing or of another `TERMS_VERSION`; `[]` when none is left. */
  abstract pending(limit: number): Promise<Memory[]>;

  /** How far it is: `done` counts the memories that are indexed as today. */
  abstract progress(): Promise<StoreProgress>;

  /** Replaces terms and digest. */
  abstract put(items: readonly Omit<IndexedMemory, 'vector'>[]): Promise<void>;
}
