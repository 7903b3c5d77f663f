import { Logger } from '@nestjs/common';
import { UndecodableRecords } from '../../observability/index.js';
import type { Decision, EmbeddingSpace, Memory, Supersession } from '../memory.js';

/** The search data of a memory: a unit vector of the store's dimensions, and its terms. */
export interface IndexedMemory {
  readonly memory: Memory;
  readonly vector: Float32Array;
  /** The terms of its lexical text, in order and with repetitions. No term has a space or a control character. */
  readonly terms: readonly string[];
  /** The digest of the text, the same whatever its case and spaces; see `text-digest.ts`. */
  readonly digest: string;
}

/** A memory to store, with its links to others. */
export interface MemoryToPut extends IndexedMemory {
  /** A memory that no longer holds since this one; passed over if it is gone, or something later holds in its place. */
  readonly supersedes?: SupersededMemory;
  /** That a later memory holds in the place of this one; passed over if it is gone. */
  readonly supersededBy?: Supersession;
}

/** The id of a memory that no longer holds, and how that came. */
export interface SupersededMemory extends Omit<Supersession, 'id'> {
  readonly id: string;
}

export interface ListOptions {
  /** Most memories to return. */
  readonly limit: number;
  /** The memory after which to go on; not set: from the newest. It need not exist any more. */
  readonly after?: ListPosition;
  /** Not set: all. */
  readonly filter?: MemoryFilter;
}

export interface ListPosition {
  readonly createdAtMs: number;
  readonly id: string;
}

/** Limits a search to some memories; a field that is not set leaves none out. */
export interface MemoryFilter {
  readonly sessionId?: string;
  readonly role?: Memory['role'];
  readonly source?: Memory['source'];
  readonly isPinned?: boolean;
  /** Created at or after. */
  readonly sinceMs?: number;
  /** Created before. */
  readonly untilMs?: number;
  /** Fields of the metadata's top level that must be equal. */
  readonly metadata?: Readonly<Record<string, string | number | boolean | null>>;
  /** `false` leaves out pure questions. */
  readonly includeQuestions?: boolean;
  /** `false` leaves out memories that were superseded, before `asOfMs` if that is set. */
  readonly includeSuperseded?: boolean;
  /** The memories as they were then: without those created later, and without later successors. */
  readonly asOfMs?: number;
}

/** The query: vector and terms. Either may be left out, and then its scores are `null`. */
export interface CandidateQuery {
  /** A unit vector. */
  readonly vector?: Float32Array;
  /** Distinct terms. */
  readonly terms?: readonly string[];
  /** Most candidates of each kind; their union is returned. */
  readonly limit: number;
  readonly filter?: MemoryFilter;
}

/** A candidate with exact scores, also the one of the kind of search that did not find it. */
export interface Candidate {
  readonly memory: Memory;
  readonly cosine: number | null;
  readonly bm25: number | null;
  readonly matchedTerms: readonly string[];
}

/** The effect of a decision on the store. */
export type Effect =
  | {
      readonly kind: 'keep';
      readonly memory: IndexedMemory;
      /**
       * The memory with the same text that the decision is about, or `null` for none. If the store by now knows better,
       * nothing is written and the outcome is `stale`.
       */
      readonly duplicateOf: string | null;
      /** As in {@link MemoryToPut}. Not with `duplicateOf`. */
      readonly supersedes?: SupersededMemory;
    }
  /** The message is not kept. */
  | { readonly kind: 'drop' };

/** A step of exponentially weighted sums: each becomes `sum · decay + addend`. */
export interface StatisticsStep {
  /** The language model of the scores; sums of two models are never mixed. */
  readonly model: string;
  readonly decay: number;
  readonly addends: readonly number[];
}

/** Everything that processing one message leaves behind, written together or not at all. */
export interface Judgement {
  readonly decision: Decision;
  /** The forget mark of the user when the message was received; if not given, the message is recorded. */
  readonly forgetMark?: string;
  readonly effect: Effect;
  readonly statistics: readonly StatisticsStep[];
}

/**
 * `known`: the message had a decision already, and nothing was changed. `forgotten`: its user was forgotten after the
 * message was received. `stale`: see {@link Effect}.
 */
export type RecordOutcome = 'recorded' | 'known' | 'forgotten' | 'stale';

/**
 * The outcome of a put. `known`: the user has a memory with that id, or it was counted before (see {@link PutOptions});
 * nothing was changed. `duplicate`: the user has its text under the id `id`; the count of the new memory was added
 * there. `forgotten`: the user was forgotten meanwhile.
 */
export interface PutOutcome {
  readonly status: 'new' | 'known' | 'duplicate' | 'forgotten';
  /** The id of the memory that has the text now. */
  readonly id: string;
}

export interface PutOptions {
  /** The forget mark when the work began: nothing is stored if the user was forgotten since. */
  readonly forgetMark?: string;
  /**
   * Whether the same memories may be put again under the same ids. Then the ids of {@link PutOutcome} `duplicate` are
   * kept with the memory that was counted, the last thousand of them, and are `known` from then on.
   */
  readonly isRepeatable?: boolean;
}

/** The fields of a memory that can change in place. */
export interface MemoryChange {
  readonly isPinned?: boolean;
  readonly metadata?: Memory['metadata'];
}

/** How much a user has. */
export interface MemoryUsage {
  readonly memories: number;
  /** UTF-8 bytes of their texts, contexts and metadata as JSON. */
  readonly bytes: number;
  readonly pinned: number;
  /** Of the pinned ones. */
  readonly pinnedBytes: number;
}

export interface StoreSpaces {
  /** `undefined` until the first memory. */
  readonly current: EmbeddingSpace | undefined;
  /** The target of a move under way. Only the process that moves the memories may write meanwhile. */
  readonly next: EmbeddingSpace | undefined;
}

/**
 * The memories of each user with their vectors and terms, the decisions, and running statistics. Chats, the HTTP
 * interface and the worker use it. Commands that go over the memories of all users have `ReembeddingStore` and
 * `ReindexingStore`.
 *
 * Isolation: no method returns or changes anything of another user than the one it is given.
 * Atomicity: a memory, its vector and its terms appear and vanish together, even if the process dies in between; so do
 * the parts of a {@link Judgement}. A deleted memory leaves no terms behind. Concurrency: any number of processes may
 * use one store.
 * Limits: a write that would take a user over a limit evicts the memories of the lowest retention in the same step; see
 * `retention.ts`. A memory that supersedes others is evicted after them, and the first superseded is evicted first,
 * whatever their retention, so that no superseded memory becomes current again. If all of them are pinned, their
 * successor stays as long as another memory can be evicted.
 * One text is one memory of its user and role: see {@link PutOutcome} and {@link Effect}. A superseded memory that is
 * said again holds again, and supersedes what had superseded it in the end.
 * Vectors: unit vectors with the dimensions of the claimed space. Every method throws `MemoryVectorError`, before it
 * writes anything, for a vector of another length or with a component that is not finite.
 * Unreadable records, damaged ones or those of a newer version of the program, are skipped and noted; the other
 * memories of the user are still found.
 * Order: lists are newest first, by time of creation and then by id. Search by vector may be approximate.
 * Failures: every method throws `MemoryStoreUnavailableError` (transient) when the store cannot be reached.
 */
export abstract class MemoryStore {
  readonly undecodable = new UndecodableRecords(new Logger('Memory'));

  abstract spaces(): Promise<StoreSpaces>;

  /** Sets `space` as the space of a store that has none. Returns the spaces of the store, which may be others. */
  abstract claimSpace(space: EmbeddingSpace): Promise<StoreSpaces>;

  /**
   * Stores memories of one user, one after another. An id that the user has is not changed, and a text that the user
   * has is counted. What a memory supersedes, and what supersedes it, is applied only if it is new.
   */
  abstract put(userId: string, memories: readonly MemoryToPut[], options?: PutOptions): Promise<PutOutcome[]>;

  /** The memory as it is now. */
  abstract get(userId: string, id: string): Promise<Memory | undefined>;

  abstract list(userId: string, options: ListOptions): Promise<Memory[]>;

  /**
   * The nearest by vector and the best by BM25 (k1 1.2, b 0.75, `idf = ln(1 + (N − n + 0.5) / (n + 0.5))` within the
   * user), in no particular order.
   */
  abstract candidates(userId: string, query: CandidateQuery): Promise<Candidate[]>;

  /** The id of the memory of that digest. */
  abstract findText(userId: string, digest: string): Promise<string | undefined>;

  /** Deletes a memory. Returns whether there was one. */
  abstract delete(userId: string, id: string): Promise<boolean>;

  /** Changes a memory in place. Returns the changed memory; `undefined` if there is none. */
  abstract change(userId: string, id: string, change: MemoryChange): Promise<Memory | undefined>;

  /**
   * Puts `edited` in the place of the memory `id`, which is kept as superseded (`edited`), in one step. A text that the
   * user has already makes that memory the one that supersedes. `undefined` where there is no memory `id`.
   */
  abstract replace(userId: string, id: string, edited: IndexedMemory): Promise<PutOutcome | undefined>;

  /** Makes a superseded memory current again. Returns the memory; `undefined` if there is none. */
  abstract reinstate(userId: string, id: string): Promise<Memory | undefined>;

  /** Counts a recall of memories that were in a prompt. Skips memories that are gone. */
  abstract noteRecalled(userId: string, ids: readonly string[], atMs: number): Promise<void>;

  abstract usage(userId: string): Promise<MemoryUsage>;

  /**
   * Writes the judgement of a message of `decision.userId`. The oldest decisions of a user over the limit are removed.
   */
  abstract record(judgement: Judgement): Promise<RecordOutcome>;

  /** The decayed sums of `model`; `[]` if there are none. */
  abstract statistics(userId: string, model: string): Promise<number[]>;

  /** Newest first. */
  abstract decisions(userId: string, limit: number): Promise<Decision[]>;

  /**
   * The forget mark: what the last {@link forget} within a day set for the user, else the empty string. Sessions have
   * the same mark. A caller reads it before work for the user, and passes it with the result, so that the store drops a
   * result from before the user was forgotten.
   */
  abstract forgetMark(userId: string): Promise<string>;

  /**
   * Deletes everything of a user: memories, vectors, terms, decisions, statistics. What was begun before, under another
   * mark, is not written any more. Returns the number of memories deleted.
   * @param mark one that never was before
   */
  abstract forget(userId: string, mark: string): Promise<number>;

  /** Throws `MemoryStoreUnavailableError` unless a write would work now. */
  abstract check(): Promise<void>;
}
