import { estimateTokens } from '../../shared/index.js';
import { type Word, wordsOf } from '../search/lexical-text.js';

const ELLIPSIS = '…';
// Of the room before the first word that matched: a sentence is understood from its beginning.
const ROOM_BEFORE = 1 / 3;
// Each time a little less of the text; what an estimate by bytes and one by characters differ in is soon gone.
const SHRINK_BY = 0.9;
// A text that is longer is looked at in its beginning alone.
const MOST_CHARACTERS = 200_000;

const HALF_AT_AN_END = /^[\udc00-\udfff]|[\ud800-\udbff]$/g;

interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * A part of a text, of at most `maxTokens` by estimate, around the terms that matched a query: whole words, with an
 * ellipsis for each omission. The whole text if it fits; its beginning if no term matched.
 * @param matchedTerms as they are indexed; see `lexical-text.ts`
 * @param countTokens the tokens of a part in the form in which the prompt will have it
 */
export function excerpt(
  text: string,
  matchedTerms: readonly string[],
  maxTokens: number,
  countTokens: (part: string) => number = estimateTokens,
): string {
  if (countTokens(text) <= maxTokens) return text;
  const words = wordsOf(text.slice(0, MOST_CHARACTERS));
  const tokensPerCharacter = countTokens(text) / text.length;
  let room = Math.floor(maxTokens / tokensPerCharacter);
  for (; room > 0; room = Math.floor(room * SHRINK_BY)) {
    const part = quoted(text, wholeWords(words, bestSpan(text, words, new Set(matchedTerms), room)));
    if (countTokens(part) <= maxTokens) return part;
  }
  return ELLIPSIS;
}

/** The first `room` characters with the largest number of distinct terms. */
function bestSpan(text: string, words: readonly Word[], wanted: ReadonlySet<string>, room: number): Span {
  const matches = words.filter(({ terms }) => terms.some((term) => wanted.has(term)));
  let best: { readonly span: Span; readonly count: number } | undefined;
  let last = 0;
  for (const [first, { start }] of matches.entries()) {
    while (last < matches.length && endOf(matches[last]) - start <= room * (1 - ROOM_BEFORE)) last++;
    const count = distinctTerms(matches.slice(first, last), wanted);
    if (best === undefined || count > best.count) best = { span: spanAround(start, room, text.length), count };
  }
  return best?.span ?? { start: 0, end: room };
}

function spanAround(match: number, room: number, length: number): Span {
  const start = Math.max(0, Math.min(match - Math.floor(room * ROOM_BEFORE), length - room));
  return { start, end: start + room };
}

/** The words that lie in a span; the span itself where none does, as in a text that is one word. */
function wholeWords(words: readonly Word[], { start, end }: Span): Span {
  const inside = words.filter((word) => word.start >= start && endOf(word) <= end);
  const [first] = inside;
  return first === undefined ? { start, end } : { start: first.start, end: endOf(inside.at(-1)) };
}

function quoted(text: string, { start, end }: Span): string {
  // Half of a surrogate pair has no UTF-8 form.
  const part = text.slice(start, end).replaceAll(HALF_AT_AN_END, '');
  return `${start > 0 ? ELLIPSIS : ''}${part}${end < text.length ? ELLIPSIS : ''}`;
}

function distinctTerms(words: readonly Word[], wanted: ReadonlySet<string>): number {
  return new Set(words.flatMap(({ terms }) => terms.filter((term) => wanted.has(term)))).size;
}

const endOf = (word: Word | undefined): number => (word === undefined ? 0 : word.start + word.text.length);
