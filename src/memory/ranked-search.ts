import type { Embedder } from './embedder.js';
import { CANDIDATES, rankCandidates } from './hybrid-ranking.js';
import { queryTerms } from './lexical-text.js';
import type { FoundMemory, Memory, SearchMode } from './memory.js';
import type { MemoryFilter, MemoryStore } from './memory-store.port.js';

export interface RankedSearch {
  readonly query: string;
  /** A unit vector of the query; not needed for `lexical`. */
  readonly vector?: Float32Array;
  readonly mode: SearchMode;
  /** Most memories to return. */
  readonly limit: number;
  readonly filter?: MemoryFilter;
  readonly signal?: AbortSignal;
}

/**
 * The memories of a user that a query means, best first. What the embedder cannot read is found by its words alone.
 * @throws MemoryStoreUnavailableError, MemoryVectorError
 */
export async function rankedSearch(
  { store, embedder }: { readonly store: MemoryStore; readonly embedder: Embedder },
  userId: string,
  { query, vector, mode, limit, filter, signal }: RankedSearch,
): Promise<FoundMemory[]> {
  const byMeaning = mode !== 'lexical' && vector && (mode === 'dense' || (await embedder.isReadable(query, signal)));
  const [candidates, { current }] = await Promise.all([
    store.candidates(userId, {
      ...(byMeaning && { vector }),
      ...(mode !== 'dense' && { terms: queryTerms(query) }),
      ...(filter && { filter }),
      limit: Math.max(CANDIDATES, limit),
    }),
    store.spaces(),
  ]);
  const asOfThen = candidates.map((one) => ({ ...one, memory: memoryAsOf(one.memory, filter?.asOfMs) }));
  return rankCandidates(asOfThen, {
    mode,
    embeddingModel: current?.model ?? '',
    isReadable: (text) => embedder.isKnownAsReadable(text),
  }).slice(0, limit);
}

/** What superseded a memory later than `asOfMs` counts for nothing. */
function memoryAsOf(memory: Memory, asOfMs = Infinity): Memory {
  return memory.supersededBy && memory.supersededBy.atMs > asOfMs ? { ...memory, supersededBy: null } : memory;
}
