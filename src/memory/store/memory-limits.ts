import type { EmbeddingSpace } from '../memory.js';
import { MemoryVectorError } from '../memory.errors.js';

/** How much is kept of each user. */
export interface MemoryLimits {
  readonly maxMemories: number;
  /** UTF-8 bytes of texts, contexts and metadata together. */
  readonly maxBytes: number;
  readonly maxDecisions: number;
}

/**
 * @param space what the vectors must belong to; `undefined` where the store has none yet, and so no place for a vector
 * @throws MemoryVectorError for a vector of another length, with a component that is not finite, or of zeros only
 */
export function assertVectors(
  vectors: readonly Float32Array[],
  space: EmbeddingSpace | undefined,
): asserts space is EmbeddingSpace {
  if (space === undefined) throw new MemoryVectorError('The store of memories has no embedding space yet.');
  for (const vector of vectors) {
    assertComparable(vector);
    if (vector.length !== space.dimensions) {
      throw new MemoryVectorError(
        `A vector has ${vector.length} dimensions, and those of the memories have ${space.dimensions}; ` +
          'check EMBEDDINGS_MODEL and EMBEDDINGS_URL.',
      );
    }
  }
}

/**
 * The part of {@link assertVectors} that needs no space: a search in a store without one finds nothing.
 * @throws MemoryVectorError
 */
export function assertComparable(vector: Float32Array): void {
  if (!vector.every(Number.isFinite)) {
    throw new MemoryVectorError('A vector has a component that is not a finite number; check the embeddings server.');
  }
  // Its similarity to anything is 0/0.
  if (vector.every((component) => component === 0)) {
    throw new MemoryVectorError('A vector consists of zeros; check the embeddings server.');
  }
}

/** A cosine similarity within its bounds, which rounding may leave by a hair. */
export function clampSimilarity(similarity: number): number {
  return Math.min(1, Math.max(-1, similarity));
}

export function isSameSpace(a: EmbeddingSpace, b: EmbeddingSpace): boolean {
  return a.model === b.model && a.dimensions === b.dimensions;
}
