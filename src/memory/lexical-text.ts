import type { Memory } from './memory.js';

/** Names how terms are made; stores written under another are indexed anew. */
export const TERMS_VERSION = '1';

/** The terms that a memory is found by: of its text, the date it was created in words, and its context. */
export function memoryTerms(memory: Pick<Memory, 'text' | 'createdAtMs' | 'context'>): string[] {
  return memory.text.split(' ');
}

/** The distinct terms of a query. */
export function queryTerms(query: string): string[] {
  return [...new Set(query.split(' '))];
}

/**
 * The tail of what was said before a message, so long that both together have no more than 80 words.
 * @param context what was said before, oldest first, with the names of the speakers taken off
 */
export function contextTail(text: string, context: string): string {
  return context;
}
