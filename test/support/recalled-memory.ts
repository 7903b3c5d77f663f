import { type FoundMemory, type Memory, newMemory, type RecalledMemory } from '../../src/memory/index.js';

/** A memory of `ada` that was found, said on 22 November 2026 at ten o'clock (UTC) unless told otherwise. */
export function found(fields: Partial<Memory> & { readonly text: string }, score = 0.8): FoundMemory {
  const saidAtMs = fields.lastSeenAtMs ?? Date.UTC(2026, 10, 22, 10);
  const memory = { ...newMemory('ada', { text: fields.text, createdAtMs: saidAtMs }), supersededBy: null, ...fields };
  return { memory, cosine: score, bm25: 0, matchedTerms: [], score };
}

/** The same as it goes into a prompt, quoted whole. @param currentId what holds now in its place */
export function recalled(
  fields: Partial<Memory> & { readonly text: string },
  currentId: string | null = null,
): RecalledMemory {
  return { ...found(fields), quotation: fields.text, currentId };
}
