import { findChanges, type FindChangesOptions } from '../change/find-changes.js';
import type { Embedder } from '../embedding/embedder.js';
import { indexMemory, type MemoryContent } from './indexed-memory.js';
import type { MemoryStore, PutOutcome } from '../store/memory-store.port.js';

/** For whom something is kept, and the mark that the user had when it began. */
export interface KeepTarget extends FindChangesOptions {
  readonly forgetMark: string;
  /** See `PutOptions`. */
  readonly isRepeatable?: boolean;
}

/**
 * Embeds memories and puts them into the store, ordered by the time from which they hold, each with the memory that it
 * supersedes and the one that supersedes it. Returns one outcome for each, in the order given. Nothing is stored if the
 * user was forgotten after the forget mark was read.
 * @throws MemoryStoreUnavailableError, the embedder's errors
 */
export async function keepMemories(
  { store, embedder }: { readonly store: MemoryStore; readonly embedder: Embedder },
  memories: readonly MemoryContent[],
  target: KeepTarget,
): Promise<PutOutcome[]> {
  if (memories.length === 0) return [];
  const vectors = await embedder.embed(
    memories.map(({ text }) => text),
    { signal: target.signal },
  );
  const inOrder = memories
    .flatMap((memory, place) => {
      const vector = vectors[place];
      return vector ? [{ place, indexed: indexMemory(memory, vector) }] : [];
    })
    .toSorted((a, b) => a.indexed.memory.validFromMs - b.indexed.memory.validFromMs);
  const indexed = inOrder.map((one) => one.indexed);
  const outcomes = await store.put(target.userId, await findChanges({ store, embedder }, indexed, target), {
    forgetMark: target.forgetMark,
    isRepeatable: target.isRepeatable ?? false,
  });
  return inOrder
    .map(({ place }, index) => ({ place, outcome: outcomes[index] }))
    .toSorted((a, b) => a.place - b.place)
    .flatMap(({ outcome }) => outcome ?? []);
}
