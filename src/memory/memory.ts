/** A message worth keeping, word for word, with the numbers of the decision that kept it. */
export interface Memory {
  /** The id of the stream entry it came from, or a UUIDv7 of its own. Unique within its user. */
  readonly id: string;
  readonly text: string;
  readonly userId: string;
  readonly sessionId: string | null;
  readonly role: 'user' | 'assistant';
  readonly createdAtMs: number;
  readonly perplexity: number | null;
  readonly avgLogprob: number | null;
  /** Cosine distance to the nearest memory of the user at the time; `null` where nobody looked. */
  readonly novelty: number | null;
  readonly surprise: number | null;
  /** The language model that the numbers come from. */
  readonly model: string | null;
  readonly source: 'worker' | 'manual' | 'promoted';
  readonly metadata: Readonly<Record<string, unknown>>;
  /** How often it was said: once, and once more for every near-duplicate. */
  readonly count: number;
  readonly lastSeenAtMs: number;
}

/** `memory`: kept. `shadow`: not kept, waiting for a while in case it turns out to be wanted. */
export type MemoryTier = 'memory' | 'shadow';

export interface FoundMemory {
  readonly memory: Memory;
  readonly tier: MemoryTier;
  /** Cosine similarity to what was asked, from -1 to 1. */
  readonly similarity: number;
}

export type SurpriseMode = 'fixed' | 'adaptive';

/** What became of one processed message, with all numbers that led to it; never its text. */
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
  /** The perplexity without context, where it was scored as well. */
  readonly plainPerplexity: number | null;
  readonly novelty: number;
  readonly nearestId: string | null;
  readonly surprise: number;
  readonly threshold: number;
  readonly mode: SurpriseMode;
  readonly kept: boolean;
  /** One sentence for people. */
  readonly reason: string;
}

/** The model whose vectors a store holds. Vectors of two models mean nothing to each other. */
export interface EmbeddingSpace {
  readonly model: string;
  readonly dimensions: number;
}
