import type { Embedder } from '../embedding/embedder.js';
import { CANDIDATES, rankCandidates } from './hybrid-ranking.js';
import { queryTerms } from './lexical-text.js';
import type { FoundMemory, SearchMode } from '../memory.js';
import type { MemoryFilter, MemoryStore } from '../store/memory-store.port.js';

export interface RankedSearch {
  readonly query: string;
  /** A unit vector of the query; not needed for `lexical`. */
  readonly vector?: Float32Array;
  readonly mode: SearchMode;
  /** Most memories to return. */
  readonly limit: number;
  readonly filter?: MemoryFilter;
}

interface SearchParts {
  readonly store: MemoryStore;
  readonly embedder: Embedder;
}

/**
 * The memories of a user that a query means, best first. What the embedder cannot read is found by its words alone.
 * @throws MemoryStoreUnavailableError, MemoryVectorError
 */
export async function rankedSearch(
  parts: SearchParts,
  userId: string,
  { vector, signal, ...search }: RankedSearch & { readonly signal?: AbortSignal },
): Promise<FoundMemory[]> {
  const { mode, query, limit } = search;
  const byMeaning =
    mode !== 'lexical' && vector && (mode === 'dense' || (await parts.embedder.isReadable(query, signal)));
  const ranked = await rankedCandidates(parts, userId, { ...search, ...(byMeaning && { vector }) });
  return ranked.slice(0, limit);
}

/**
 * All candidates of a query, best first, which may be more than its limit.
 * @param search its vector is taken for what the query means
 * @throws MemoryStoreUnavailableError, MemoryVectorError
 */
export async function rankedCandidates(
  { store, embedder }: SearchParts,
  userId: string,
  { query, vector, mode, limit, filter }: RankedSearch,
): Promise<FoundMemory[]> {
  const [candidates, { current }] = await Promise.all([
    store.candidates(userId, {
      ...(vector && { vector }),
      ...(mode !== 'dense' && { terms: queryTerms(query) }),
      ...(filter && { filter }),
      limit: Math.max(CANDIDATES, limit),
    }),
    store.spaces(),
  ]);
  return rankCandidates(candidates, {
    mode,
    embeddingModel: current?.model ?? '',
    isReadable: (text) => embedder.isKnownAsReadable(text),
  });
}
