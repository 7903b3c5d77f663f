import type { MemoryLimits } from '../../../src/memory/store/memory-limits.js';
import type { MemoryStore } from '../../../src/memory/store/memory-store.port.js';
import type { ReembeddingStore } from '../../../src/memory/store/reembedding-store.port.js';
import type { ReindexingStore } from '../../../src/memory/store/reindexing-store.port.js';
import type { DamagedRecord } from './undecodable.contract.js';

/** A store of memories with what the commands use of it. */
export type OpenedStore = MemoryStore & {
  readonly reembedding: ReembeddingStore;
  readonly reindexing: ReindexingStore;
};

/** One backing, empty at first, and what a test must be able to do to it behind the adapter's back. */
export interface MemoryStoreHarness {
  /** A store as a process of its own would have it: nothing shared but the backing. */
  open(limits?: Partial<MemoryLimits>): Promise<OpenedStore>;
  /** Takes the backing away until the returned function is called. */
  beginOutage(): Promise<() => Promise<void>>;
  /** Makes a record of user `ada` unreadable. */
  damage(record: DamagedRecord): Promise<void>;
  /** Makes a memory of user `ada` one whose words nobody indexed, as older releases left them. */
  unindex(id: string): Promise<void>;
  /** Closes every store that was opened, as the end of the processes would. */
  closeAll(): Promise<void>;
  dispose(): Promise<void>;
}

/** What the parts of the contract have of a test. */
export interface ContractContext {
  /** A store with a space of 8 dimensions. */
  open(limits?: Partial<MemoryLimits>): Promise<OpenedStore>;
  harness(): MemoryStoreHarness;
}

/** Much more than a test puts. */
export const TEST_LIMITS: MemoryLimits = { maxMemories: 10_000, maxBytes: 100_000_000, maxDecisions: 100 };
