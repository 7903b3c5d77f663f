import { queryTerms } from './lexical-text.js';
import type { Memory } from './memory.js';

/** The words of a memory that are behind terms, as they stand in it; a term that stands nowhere is of its date. */
export function matchedWords({ text, context }: Pick<Memory, 'text' | 'context'>, terms: readonly string[]): string[] {
  const left = new Set(terms);
  const words: string[] = [];
  for (const word of `${text} ${context}`.split(/\s+/u)) {
    if (left.size === 0) break;
    const found = queryTerms(word).filter((term) => left.delete(term));
    if (found.length > 0) words.push(word.replaceAll(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}]+$/gu, ''));
  }
  return [...words, ...left];
}
