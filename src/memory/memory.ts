/** A message, word for word, with the numbers of the decision that kept it. */
export interface Memory {
  /** The id of its stream entry, an id of another system, or a UUIDv7 made for it. Unique within its user. */
  readonly id: string;
  readonly text: string;
  readonly userId: string;
  readonly sessionId: string | null;
  readonly role: 'user' | 'assistant';
  readonly createdAtMs: number;
  readonly perplexity: number | null;
  readonly avgLogprob: number | null;
  /** `-Σ logprob` of the message's tokens in nats; `null` if it was not scored. */
  readonly informationNats: number | null;
  /** Cosine distance to the nearest memory of the user at the time; `null` if it was not computed. */
  readonly novelty: number | null;
  readonly surprise: number | null;
  /** The language model that the numbers come from. */
  readonly model: string | null;
  readonly source: 'worker' | 'manual' | 'promoted';
  readonly metadata: Readonly<Record<string, unknown>>;
  /** The end of the turns before it, for the index of words; the empty string if there are none. */
  readonly context: string;
  /** Whether it asks and tells nothing; such are left out of recall. */
  readonly isQuestion: boolean;
  /** Whether it is never forgotten to make room. */
  readonly isPinned: boolean;
  /** How often it was said: once, and once more for every time the same text came again. */
  readonly count: number;
  /** The time when it was last said. */
  readonly lastSeenAtMs: number;
  /** How often it stood in a prompt. */
  readonly recallCount: number;
  readonly lastRecalledAtMs: number | null;
  /** Since when it holds: when it was said, or said again after it had been superseded. */
  readonly validFromMs: number;
  /** The id of its successor: the later memory that holds instead. */
  readonly supersededBy: Supersession | null;
  /** The ids of those that this one supersedes itself, newest link first. */
  readonly supersedes: readonly string[];
}

/** That a memory no longer holds. */
export interface Supersession {
  /** The id of the memory that supersedes. */
  readonly id: string;
  readonly atMs: number;
  readonly reason: 'changed' | 'edited' | 'said_again';
  /** The probability of the detection, 0 to 1; `null` if a user superseded it. */
  readonly score: number | null;
}

/** A memory that a query found, with its scores. */
export interface FoundMemory {
  readonly memory: Memory;
  /** Cosine similarity to the query, -1 to 1; `null` if it was not asked for, or means nothing. */
  readonly cosine: number | null;
  /** BM25 of the query's terms, 0 if none is in it; `null` if it was not asked for. */
  readonly bm25: number | null;
  /** The query's terms that it has, as they are indexed. */
  readonly matchedTerms: readonly string[];
  /** The score of the ranking: higher is better. */
  readonly score: number;
}

export type SearchMode = 'hybrid' | 'dense' | 'lexical';

/** `all`: everything is kept. The others are gates before the store. */
export type SurpriseMode = 'all' | 'fixed' | 'adaptive';

/** The outcome of one processed message, with all the scores behind it; never its text. */
export interface Decision {
  /** The id of the stream entry. */
  readonly id: string;
  readonly userId: string;
  readonly sessionId: string | null;
  readonly decidedAtMs: number;
  readonly model: string | null;
  /** `null`: the message could not be scored, and novelty alone decided. */
  readonly perplexity: number | null;
  /** `-Σ logprob` of the message's tokens in nats: how much its words tell that the model did not expect. */
  readonly informationNats: number | null;
  /** Whether both were taken given the turns before the message. */
  readonly contextual: boolean;
  /** The perplexity without context, if it was scored as well. */
  readonly plainPerplexity: number | null;
  readonly novelty: number;
  readonly nearestId: string | null;
  readonly surprise: number;
  readonly threshold: number;
  readonly mode: SurpriseMode;
  /** Whether the message is in the store: as a memory, or as one more count of {@link duplicateOf}. */
  readonly kept: boolean;
  /** The memory with the same text, which was counted once more. */
  readonly duplicateOf: string | null;
  /** The memory that no longer holds since this message. */
  readonly supersedes: string | null;
  readonly supersessionScore: number | null;
  /** One sentence for people. */
  readonly reason: string;
}

/** The model of the vectors in a store. Vectors of two models cannot be compared. */
export interface EmbeddingSpace {
  readonly model: string;
  readonly dimensions: number;
}
