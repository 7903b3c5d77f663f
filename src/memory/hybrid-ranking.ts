import type { FoundMemory, SearchMode } from './memory.js';
import type { Candidate } from './memory-store.port.js';

/** Most candidates of each kind. */
export const CANDIDATES = 50;

/** Candidates, best first. @param embeddingModel the model of the vectors, whose cosines differ in their spread */
export function rankCandidates(
  candidates: readonly Candidate[],
  { mode }: { readonly mode: SearchMode; readonly embeddingModel: string },
): FoundMemory[] {
  return candidates.map((one) => ({ ...one, score: (mode === 'lexical' ? one.bm25 : one.cosine) ?? 0 }));
}
