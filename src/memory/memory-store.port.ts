import { Logger } from '@nestjs/common';
import { UndecodableRecords } from '../observability/index.js';
import type { Decision, EmbeddingSpace, FoundMemory, Memory, MemoryTier } from './memory.js';

/** A memory with its embedding: a unit vector of the store's dimensions. */
export interface EmbeddedMemory {
  readonly memory: Memory;
  readonly vector: Float32Array;
}

export interface ListOptions {
  /** Most memories to return. */
  readonly limit: number;
  /** The id after which to go on; not set: from the newest. It need not exist any more. */
  readonly after?: string;
}

export interface SearchOptions {
  /** Most results. */
  readonly limit: number;
  /** Least cosine similarity, from -1 to 1. */
  readonly minSimilarity: number;
  /** Whether the shadow buffer is searched as well. */
  readonly includeShadow: boolean;
}

export interface Nearest {
  readonly id: string;
  readonly similarity: number;
}

/** What a decision does to the store. */
export type Effect =
  | { readonly kind: 'keep'; readonly memory: EmbeddedMemory }
  | { readonly kind: 'shadow'; readonly memory: EmbeddedMemory; readonly expiresAtMs: number }
  /** A near-duplicate: the memory `id` was said once more. */
  | { readonly kind: 'strengthen'; readonly id: string; readonly seenAtMs: number };

/** A step of exponentially weighted sums: each becomes `sum · decay + addend`. */
export interface StatisticsStep {
  /** The language model whose numbers they are; sums of two models are never mixed. */
  readonly model: string;
  readonly decay: number;
  readonly addends: readonly number[];
}

/** Everything that processing one message leaves behind, written together or not at all. */
export interface Judgement {
  readonly decision: Decision;
  /** The mark that its user had when the message was received; not given: nobody knows, and it is recorded. */
  readonly forgetMark?: string;
  readonly effect: Effect;
  readonly statistics: readonly StatisticsStep[];
}

/** `known`: the message had a decision already, and nothing was changed. `forgotten`: its user was forgotten after it was received. */
export type RecordOutcome = 'recorded' | 'known' | 'forgotten';

export interface MemoryCounts {
  readonly memories: number;
  readonly shadow: number;
}

/** A memory of either tier that the next embedding space lacks. */
export interface PendingReembedding {
  readonly userId: string;
  readonly id: string;
  readonly tier: MemoryTier;
  readonly text: string;
}

export interface StoreSpaces {
  /** `undefined` until the first memory. */
  readonly current: EmbeddingSpace | undefined;
  /** Where the memories are being moved to; nobody but the one who moves them may write meanwhile. */
  readonly next: EmbeddingSpace | undefined;
}

/**
 * Memories with their embeddings, the shadow buffer, decisions and running statistics, all by user.
 *
 * Isolation: no method returns or changes anything of another user than the one it is given.
 * Atomicity: a memory and its vector appear and vanish together, also when the process dies in between; so does a
 * {@link Judgement}. Concurrency: any number of processes may use one store.
 * Vectors are unit vectors of the claimed space's dimensions. One of another length, or with a number that is none, makes
 * every method that takes it throw `MemoryVectorError` before anything is written.
 * Records that cannot be read, of a newer version of the program or damaged, are passed over and noted; the others of their
 * user are found all the same.
 * Order: memories are listed newest first, by id. Search is by descending cosine similarity and may be approximate.
 * Failures: every method throws `MemoryStoreUnavailableError` (transient) when the store cannot be reached.
 */
export abstract class MemoryStore {
  readonly undecodable = new UndecodableRecords(new Logger('Memory'));

  abstract spaces(): Promise<StoreSpaces>;

  /** Takes `space` for the store's own where it has none. Returns the store's spaces, which may be others. */
  abstract claimSpace(space: EmbeddingSpace): Promise<StoreSpaces>;

  /**
   * Keeps memories of one user. An id that the user has is left as it is. Returns for each whether it is new.
   * @param forgetMark what the user had when this was begun: nothing is kept if the user was forgotten since
   */
  abstract put(userId: string, memories: readonly EmbeddedMemory[], forgetMark?: string): Promise<boolean[]>;

  /** The memory with its count as it is now; not from the shadow buffer. */
  abstract get(userId: string, id: string): Promise<Memory | undefined>;

  abstract list(userId: string, options: ListOptions): Promise<Memory[]>;

  /** The most similar ones, most similar first. */
  abstract search(userId: string, vector: Float32Array, options: SearchOptions): Promise<FoundMemory[]>;

  /** The memory nearest to `vector`, not from the shadow buffer; `undefined` where the user has none. */
  abstract nearest(userId: string, vector: Float32Array): Promise<Nearest | undefined>;

  /** Deletes a memory, or an entry of the shadow buffer. Returns whether there was one. */
  abstract delete(userId: string, id: string): Promise<boolean>;

  abstract count(userId: string): Promise<MemoryCounts>;

  /**
   * Moves an entry of the shadow buffer to the memories, as `source: 'promoted'`. `vector` is its embedding.
   * Returns whether there was one.
   */
  abstract promote(userId: string, id: string, vector: Float32Array): Promise<boolean>;

  /**
   * Writes what became of a message of `decision.userId`. The shadow buffer and the decisions of a user are bounded: the
   * oldest give way, and what has expired.
   */
  abstract record(judgement: Judgement): Promise<RecordOutcome>;

  /** The decayed sums of `model`, as many as were ever added; `[]` where there are none. */
  abstract statistics(userId: string, model: string): Promise<number[]>;

  /** Newest first. */
  abstract decisions(userId: string, limit: number): Promise<Decision[]>;

  /**
   * What the user was marked with by the last {@link forget} within a day, else the empty string. Sessions share it. Read
   * before something is begun for the user, and given with what comes of it, it has the store drop what comes too late.
   */
  abstract forgetMark(userId: string): Promise<string>;

  /**
   * Deletes everything of a user: memories, vectors, shadow buffer, decisions, statistics. What was begun before, under
   * another mark, is not written any more. Returns the number of memories deleted.
   * @param mark one that never was before
   */
  abstract forget(userId: string, mark: string): Promise<number>;

  /**
   * Begins to move all memories to `space`, or goes on with it; a move to yet another space that was begun and not
   * finished is given up. Everything goes on being found by its old vector until {@link finishReembedding}.
   */
  abstract beginReembedding(space: EmbeddingSpace): Promise<void>;

  /** Memories, of all users and both tiers, that have no vector in the next space; at most `limit`. `[]`: none is left. */
  abstract pendingReembedding(limit: number): Promise<PendingReembedding[]>;

  /** How many memories, of all users and both tiers, there are, and how many have a vector in the next space. */
  abstract reembeddingProgress(): Promise<{ readonly total: number; readonly done: number }>;

  /** Gives memories their vectors in the next space. One that was deleted meanwhile is passed over. */
  abstract putReembedded(items: readonly (PendingReembedding & { readonly vector: Float32Array })[]): Promise<void>;

  /** Makes the next space the current one and drops the old vectors. Only call it when none is pending. */
  abstract finishReembedding(): Promise<void>;

  /** Throws `MemoryStoreUnavailableError` unless a write would work now. */
  abstract check(): Promise<void>;
}
