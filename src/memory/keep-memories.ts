import type { Embedder } from './embedder.js';
import { indexMemory, type MemoryContent } from './indexed-memory.js';
import type { MemoryStore, PutOutcome } from './memory-store.port.js';

/** For whom something is kept, and the mark that the user had when it began. */
export interface KeepTarget {
  readonly userId: string;
  readonly forgetMark: string;
  readonly signal?: AbortSignal;
}

/**
 * Embeds memories and puts them into the store, one outcome each; nothing is kept where the user was forgotten since the
 * mark was read.
 * @throws MemoryStoreUnavailableError, the embedder's errors
 */
export async function keepMemories(
  { store, embedder }: { readonly store: MemoryStore; readonly embedder: Embedder },
  memories: readonly MemoryContent[],
  { userId, forgetMark, signal }: KeepTarget,
): Promise<PutOutcome[]> {
  if (memories.length === 0) return [];
  const vectors = await embedder.embed(
    memories.map(({ text }) => text),
    { signal },
  );
  const indexed = memories.flatMap((memory, index) => {
    const vector = vectors[index];
    return vector ? [indexMemory(memory, vector)] : [];
  });
  return store.put(userId, indexed, forgetMark);
}
