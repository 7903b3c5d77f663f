import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { Memory } from '../memory.js';

/**
 * The terms that the index holds of a memory, kept with it: they must be known to be taken out of the index, also when
 * another version of the program makes other terms. They are words of the memory for the most part, which is the
 * dictionary that they are packed with.
 */
export function packTerms(terms: readonly string[], memory: Pick<Memory, 'text' | 'context'>): Uint8Array {
  return deflateRawSync(terms.join(' '), { dictionary: dictionaryOf(memory), level: 9 });
}

export function unpackTerms(packed: Uint8Array, memory: Pick<Memory, 'text' | 'context'>): string[] {
  const terms = inflateRawSync(packed, { dictionary: dictionaryOf(memory) }).toString();
  return terms === '' ? [] : terms.split(' ');
}

// Deflate looks back 32 KiB at most, from the end.
const dictionaryOf = ({ text, context }: Pick<Memory, 'text' | 'context'>): Buffer =>
  Buffer.from(` ${context} ${text} `).subarray(-32_768);
