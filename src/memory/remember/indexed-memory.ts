import { contextTail, memoryTerms } from '../search/lexical-text.js';
import type { Memory } from '../memory.js';
import type { IndexedMemory } from '../store/memory-store.port.js';
import { isPureQuestion } from './questions.js';
import { textDigest } from './text-digest.js';

/** A memory without the fields that follow from its text. */
export type MemoryContent = Omit<Memory, 'isQuestion'>;

/**
 * A memory in the form that a store takes. All memories are made here, so that search treats those of all sources
 * alike.
 * @param content its context may be of any length; only the tail is kept
 * @param vector a unit vector of the store's dimensions
 */
export function indexMemory(content: MemoryContent, vector: Float32Array): IndexedMemory {
  return { ...indexWords(content), vector };
}

/** The same without a vector, for a memory whose vector is in the store already. */
export function indexWords(content: MemoryContent): Omit<IndexedMemory, 'vector'> {
  const memory = {
    ...content,
    context: contextTail(content.text, content.context),
    isQuestion: isPureQuestion(content.text),
  };
  return { memory, terms: memoryTerms(memory), digest: textDigest(memory) };
}
