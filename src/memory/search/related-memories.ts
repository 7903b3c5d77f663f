import { queryTerms } from './lexical-text.js';
import type { Candidate, MemoryStore } from '../store/memory-store.port.js';

// Of each kind. What a message changes shares its words or its meaning, and each candidate is read for every message.
const MOST_CANDIDATES = 10;

/** A text that memories may have to do with. */
export interface ReadText {
  readonly text: string;
  /** A unit vector of the store's space. */
  readonly vector: Float32Array;
  /** Whether the vector tells the meaning of the text: `false` if the embedder cannot read it. */
  readonly isReadable: boolean;
}

/**
 * The memories of a user that are nearest to a text or share its words: it may repeat or change one of them.
 * @throws MemoryStoreUnavailableError, MemoryVectorError
 */
export function relatedMemories(
  store: MemoryStore,
  userId: string,
  { text, vector, isReadable }: ReadText,
): Promise<Candidate[]> {
  return store.candidates(userId, {
    ...(isReadable && { vector }),
    terms: queryTerms(text),
    limit: MOST_CANDIDATES,
  });
}
