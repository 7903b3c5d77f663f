import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { TermCounts } from './search/sqlite-term-index.js';

// Part of the format of every store: data that was packed with it cannot be read with another one.
const EVERYDAY_WORDS = Buffer.from(
  [
    'and the you that was for are with his they this have from one had word but not what all were when your can',
    'said there use each which she how their will other about out many then them these some her would make like him',
    'into time has look two more write see number way could people my than first been call who its now find long',
    "down day did get come made may part I'm it's that's don't I've going really know think want good great thanks",
    'love work today yesterday tomorrow week month year',
    'mondai tuesdai wednesdai thursdai fridai saturdai sundai januari februari march april mai june juli august',
    'septemb octob novemb decemb 2023 2024 2025 2026 2027 2028 ',
  ].join(' '),
);
// A window of 8 KB and a small table: the parts are short, and the usual 32 KB take twice the time.
const COMPRESSION = { windowBits: 13, memLevel: 6 };

/** The columns of a memory with its context and its terms. */
export interface StoredWords {
  readonly text: unknown;
  /** Both, packed; NULL before version 9 of the schema. */
  readonly words: unknown;
  /** The columns of before, which stay until the memory is indexed anew. */
  readonly context: unknown;
  readonly terms: unknown;
}

/**
 * Packs the context and the terms of a memory. To remove a memory from the index its terms must be known, even if
 * another version of the program would make other terms. Most terms are words of the text, which is the dictionary of
 * the compression, or of the context before them; that halves their size.
 */
export function packWords(text: string, context: string, terms: TermCounts): Uint8Array {
  const list = [...terms].map(([term, count]) => (count === 1 ? term : `${term}\t${count}`)).join(' ');
  return deflateRawSync(`${context}\n${list}`, { ...COMPRESSION, dictionary: dictionaryOf(text) });
}

/** The context that was packed, or that an earlier version stored; the empty string if it is unreadable. */
export function contextIn({ text, words, context }: Omit<StoredWords, 'terms'>): string {
  if (words === null) return String(context);
  const unpacked = unpack(text, words) ?? '\n';
  return unpacked.slice(0, unpacked.lastIndexOf('\n'));
}

/** `undefined` for a memory that is not in the index, or whose words are unreadable. */
export function termsIn({ text, words, terms }: Omit<StoredWords, 'context'>): TermCounts | undefined {
  if (words !== null) {
    const unpacked = unpack(text, words);
    return unpacked === undefined ? undefined : parseTerms(unpacked.slice(unpacked.lastIndexOf('\n') + 1));
  }
  return terms === null ? undefined : parseTerms(inflateRawSync(terms as Uint8Array).toString());
}

/** `undefined` for damaged bytes, so that their memory can still be read and deleted. */
function unpack(text: unknown, words: unknown): string | undefined {
  try {
    return inflateRawSync(words as Uint8Array, { dictionary: dictionaryOf(String(text)) }).toString();
  } catch {
    return undefined;
  }
}

/** No term holds a space or a control character. */
function parseTerms(list: string): TermCounts {
  return new Map(
    list
      .split(' ')
      .filter(Boolean)
      .map((entry): [string, number] => {
        const [term = '', count = '1'] = entry.split('\t');
        return [term, Number(count)];
      }),
  );
}

const dictionaryOf = (text: string): Buffer => Buffer.concat([EVERYDAY_WORDS, Buffer.from(text)]);
