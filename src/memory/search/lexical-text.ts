import { unitsOf } from './lexical-units.js';
import type { Memory } from '../memory.js';
import { termsOfWord } from './word-terms.js';

/** A word of a text as written, with the terms that it is indexed by. */
export interface Word {
  readonly text: string;
  /** UTF-16 code units before it. */
  readonly start: number;
  /** None for a stop word. */
  readonly terms: readonly string[];
}

// Raise it with whatever changes the terms of a text.
const RULES_VERSION = 2;
/**
 * The version of the rules that make terms. A store that was written with another version is indexed anew. ICU is part
 * of it because it finds the words of scripts without spaces.
 */
export const TERMS_VERSION = `${RULES_VERSION}/icu-${process.versions.icu ?? 'none'}`;

/** A message and its context have no more words than this together. */
const CONTEXT_WORDS = 80;
// For what has no words of usual length; English takes six characters a word.
const CONTEXT_CHARACTERS = 800;

const MAX_MEMORY_TERMS = 4_000;
// Half of them from the beginning and half from the end: long messages ask at their end.
const MAX_QUERY_TERMS = 96;

// Making one costs a millisecond, using it microseconds.
const WORDS = new Intl.Segmenter('en', { granularity: 'word' });
const CHARACTERS = new Intl.Segmenter('en', { granularity: 'grapheme' });

const DATE_IN_WORDS = new Intl.DateTimeFormat('en-GB', { dateStyle: 'full', timeZone: 'UTC' });
const PICTURE = /^\p{Extended_Pictographic}/u;
// The division into words depends on the context there, so pairs of characters are terms as well.
const UNSPACED_SCRIPTS =
  'Han Hiragana Katakana Hangul Bopomofo Thai Lao Khmer Myanmar Tai_Tham Tai_Viet Javanese Balinese Yi'
    .split(' ')
    .map((script) => `\\p{Script=${script}}`)
    .join('');
const UNSPACED = new RegExp(`^[${UNSPACED_SCRIPTS}ー]`, 'u');
// Japanese writes its endings in hiragana; pairs of these are in every sentence.
const GRAMMAR = /^\p{Script=Hiragana}{2}$/u;
const PARTICLE = /^\p{Script=Hiragana}$/u;

/** The terms that a memory is found by: of its text, the date it was created in words, and its context. */
export function memoryTerms({
  text,
  createdAtMs,
  context,
}: Pick<Memory, 'text' | 'createdAtMs' | 'context'>): string[] {
  const parts = [text, dateInWords(createdAtMs), context];
  return parts.flatMap(termsOfText).slice(0, MAX_MEMORY_TERMS);
}

/** As in "Friday, 27 November 2026". */
export const dateInWords = (timeMs: number): string => DATE_IN_WORDS.format(timeMs);

/** The distinct terms of a query. */
export function queryTerms(query: string): string[] {
  const terms = [...new Set(termsOfText(query))];
  if (terms.length <= MAX_QUERY_TERMS) return terms;
  return [...terms.slice(0, MAX_QUERY_TERMS / 2), ...terms.slice(-MAX_QUERY_TERMS / 2)];
}

/** The distinct words of a text, as written, that are indexed by one of `terms`. */
export function wordsMatching(text: string, terms: Iterable<string>): string[] {
  const wanted = new Set(terms);
  const matching = wordsOf(text.normalize('NFKC')).filter((word) => word.terms.some((term) => wanted.has(term)));
  return [...new Set(matching.map((word) => word.text))];
}

/**
 * The tail of what was said before a message, so long that both together have no more than 80 words.
 * @param context what was said before, oldest first, with the names of the speakers taken off
 */
export function contextTail(text: string, context: string): string {
  const room = CONTEXT_WORDS - wordStarts(text.slice(0, CONTEXT_CHARACTERS)).length;
  if (room <= 0) return '';
  const tail = context.slice(-CONTEXT_CHARACTERS);
  const isCut = tail.length < context.length;
  // The first word after the cut may be the end of a longer one.
  const starts = wordStarts(tail).slice(isCut ? 1 : 0);
  if (!isCut && starts.length <= room) return tail;
  const start = starts.at(-room) ?? starts[0];
  return start === undefined ? '' : tail.slice(start);
}

/** The words of a text in their order: times, dates and numbers, and else as Unicode's segmentation has them. */
export function wordsOf(text: string): Word[] {
  const words: Word[] = [];
  let end = 0;
  for (const unit of unitsOf(text)) {
    words.push(...plainWordsOf(text.slice(end, unit.start), end), unit);
    end = unit.start + unit.text.length;
  }
  words.push(...plainWordsOf(text.slice(end), end));
  return words;
}

function plainWordsOf(text: string, offset: number): Word[] {
  const words: Word[] = [];
  let run: Word[] = [];
  for (const { segment, index, isWordLike } of WORDS.segment(text)) {
    const start = offset + index;
    const isWord = isWordLike === true || PICTURE.test(segment);
    if (isWord && UNSPACED.test(segment)) {
      run.push({ text: segment, start, terms: PARTICLE.test(segment) ? [] : termsOfWord(segment) });
      continue;
    }
    words.push(...withPairs(run));
    run = [];
    if (isWord) words.push({ text: segment, start, terms: termsOfWord(segment) });
  }
  words.push(...withPairs(run));
  return words;
}

/** Words without spaces between them, each with the pairs of characters that begin in it. */
function withPairs(run: readonly Word[]): readonly Word[] {
  // Between the words of most scripts; the segmentation of nothing takes as long as that of a word.
  if (run.length === 0) return run;
  const characters = Array.from(CHARACTERS.segment(run.map(({ text }) => text).join('')), ({ segment }) => segment);
  let next = 0;
  return run.map((word) => {
    const terms = new Set(word.terms);
    for (let length = 0; length < word.text.length; next++) {
      const first = characters[next] ?? '';
      const second = characters[next + 1];
      if (second !== undefined && !GRAMMAR.test(first + second))
        for (const term of termsOfWord(first + second)) terms.add(term);
      length += Math.max(1, first.length);
    }
    return { ...word, terms: [...terms] };
  });
}

const termsOfText = (text: string): string[] => wordsOf(text.normalize('NFKC')).flatMap(({ terms }) => terms);

const wordStarts = (text: string): number[] =>
  Array.from(WORDS.segment(text)).flatMap(({ index, isWordLike }) => (isWordLike ? [index] : []));
