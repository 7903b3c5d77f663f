import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Embedder } from '../embedding/embedder.js';
import type { Memory, Supersession } from '../memory.js';
import type { Candidate, IndexedMemory, MemoryStore, MemoryToPut } from '../store/memory-store.port.js';
import { relatedMemories } from '../search/related-memories.js';
import { textDigest } from '../remember/text-digest.js';
import { detectChange, type DetectedChange, detectSuccessor } from './change-detector.js';

export interface FindChangesOptions {
  readonly userId: string;
  /** Whether a memory is compared with others at all; not given: all are. */
  readonly isCompared?: (memory: Memory) => boolean;
  /** Whether two memories may have to do with each other, as far as others know; not given: any. */
  readonly mayBeLinked?: (memory: Memory, other: Memory) => boolean;
  readonly signal?: AbortSignal;
}

/**
 * For each memory: which earlier one it supersedes, among the stored memories of its user and the others given, and
 * which later one supersedes it. That takes one search of the store for each memory and at most 24 comparisons of
 * texts; between two comparisons the event loop may run other work.
 * @param memories in order of time
 * @throws MemoryStoreUnavailableError, MemoryVectorError, AbortError
 */
export async function findChanges(
  { store, embedder }: { readonly store: MemoryStore; readonly embedder: Embedder },
  memories: readonly IndexedMemory[],
  { userId, isCompared = () => true, mayBeLinked = () => true, signal }: FindChangesOptions,
): Promise<MemoryToPut[]> {
  const found: MemoryToPut[] = [];
  const outdated = new Set<string>();
  for (const one of memories) {
    const { memory, vector } = one;
    if (!mayChange(memory) || !isCompared(memory)) {
      found.push(one);
      continue;
    }
    await nextTurn();
    signal?.throwIfAborted();
    const isReadable = await embedder.isReadable(memory.text, signal);
    const stored = await relatedMemories(store, userId, { text: memory.text, vector, isReadable });
    const known = new Set(stored.map((candidate) => textDigest(candidate.memory)));
    // One that the user has is counted, and does not become a memory of its own.
    const beside = found.filter(({ digest, memory: { id } }) => !known.has(digest) && !outdated.has(id));
    const isPossible = ({ memory: other }: Candidate): boolean => mayBeLinked(memory, other);
    const fromStore = stored.filter(isPossible);
    const message = { ...memory, createdAtMs: memory.validFromMs };
    const change = surer(
      detectChange(message, fromStore),
      detectChange(message, beside.map((other) => asCandidate(other, one, isReadable)).filter(isPossible)),
    );
    const successor = detectSuccessor(message, fromStore);
    if (change) outdated.add(change.id);
    const later = successor && fromStore.find((candidate) => candidate.memory.id === successor.id)?.memory;
    found.push({
      ...one,
      ...(change && { supersedes: linkTo(change, memory.validFromMs) }),
      ...(successor && later && { supersededBy: linkTo(successor, later.validFromMs) }),
    });
  }
  return found;
}

/** As the worker has it: what the user said, and nothing that only asks. */
const mayChange = ({ role, isQuestion, supersededBy }: Memory): boolean =>
  role === 'user' && !isQuestion && supersededBy === null;

/** Its words are not weighed: there is nothing that they would have to be told apart from. */
function asCandidate(other: IndexedMemory, { vector }: IndexedMemory, isReadable: boolean): Candidate {
  const cosine = vector.reduce((sum, value, index) => sum + value * (other.vector[index] ?? 0), 0);
  return { memory: other.memory, cosine: isReadable ? cosine : null, bm25: null, matchedTerms: [] };
}

const surer = (a: DetectedChange | undefined, b: DetectedChange | undefined): DetectedChange | undefined =>
  a && b ? (b.score > a.score ? b : a) : (a ?? b);

const linkTo = ({ id, score }: DetectedChange, atMs: number): Supersession => ({ id, atMs, reason: 'changed', score });
