import { wordsOf } from '../search/lexical-text.js';
import { digitsOf } from './value-words.js';

/** A word of a text: as it stands there, and folded for comparisons. */
export interface Word {
  readonly raw: string;
  readonly folded: string;
  /** What it is indexed by; the empty string for a stop word. */
  readonly stem: string;
  readonly isNumber: boolean;
  /** Whether a sentence begins with it, so that a capital says nothing. */
  readonly beginsSentence: boolean;
}

/** Words that stand in one text where others stand in the other; either side may be empty. */
export interface Replacement {
  readonly before: readonly Word[];
  readonly after: readonly Word[];
  /** Where it begins in the older text, as a share of its words: 0 at the beginning, 1 behind the last. */
  readonly at: number;
}

/** A text that was read once, to be compared with several. */
export interface ComparableText {
  readonly text: string;
  /** In order, as they are indexed; at most the first 160. */
  readonly words: readonly Word[];
}

export interface TextDifference {
  readonly before: ComparableText;
  readonly after: ComparableText;
  /** Words of the older text that the newer one does not have, in whatever place or form. */
  readonly lost: readonly Word[];
  /** Words of the newer text that the older one does not have. */
  readonly added: readonly Word[];
  /** Words of the newer text that stand in the older one in the same order. */
  readonly shared: readonly Word[];
  readonly replacements: readonly Replacement[];
}

// The table of the alignment has as many cells as both texts have words, multiplied.
const MAX_WORDS = 160;
// Shorter words differ in meaning where they differ in their last letters.
const LEAST_STEM = 4;
// An inflected form keeps this much of the longer word.
const STEM_SHARE = 0.65;

const SENTENCE_END = /[.!?:;。！？।\n]/u;

/** Reads a text: the costly part of comparing it. */
export function comparableText(text: string): ComparableText {
  const plain = text.normalize('NFKC').replaceAll('’', "'");
  let end = 0;
  const words = wordsOf(plain)
    .slice(0, MAX_WORDS)
    .map(({ text: raw, start, terms }, index) => {
      const beginsSentence = index === 0 || SENTENCE_END.test(plain.slice(end, start));
      end = start + raw.length;
      const folded = digitsOf(raw.toLowerCase());
      const isNumber = /^\p{Nd}/u.test(folded);
      const stem = isNumber && terms.length > 0 && folded === raw.toLowerCase() ? terms.join(' ') : (terms[0] ?? '');
      return { raw, folded, stem: isNumber && folded !== raw.toLowerCase() ? folded : stem, isNumber, beginsSentence };
    });
  return { text, words };
}

/** Whether two words are one, or forms of one, as far as their letters tell. */
export function isSameWord(a: Word, b: Word): boolean {
  if (a.folded === b.folded || (a.stem !== '' && a.stem === b.stem)) return true;
  if (isNegatedForm(a, b) || isNegatedForm(b, a)) return true;
  if (a.isNumber || b.isNumber) return false;
  const longer = Math.max(a.folded.length, b.folded.length);
  const common = commonPrefixLength(a.folded, b.folded);
  return common >= LEAST_STEM && common >= longer * STEM_SHARE;
}

/** Whether `b` is `a` with the prefix that negates verbs in Czech, Slovak, Slovene, Latvian, Lithuanian: "nekouřím". */
export function isNegatedForm(a: Word, b: Word): boolean {
  return a.folded.length >= LEAST_STEM && b.folded === `ne${a.folded}`;
}

/** What differs between two texts once the words they share are laid over each other (longest common subsequence). */
export function differenceOf(beforeText: ComparableText, afterText: ComparableText): TextDifference {
  const [before, after] = [beforeText.words, afterText.words];
  const same = before.map((a) => after.map((b) => isSameWord(a, b)));
  const lengths = commonLengths(same, after.length);
  const shared: Word[] = [];
  const replacements: Replacement[] = [];
  let open: { before: Word[]; after: Word[]; at: number } | undefined;
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    const [a, b] = [before[i], after[j]];
    if (b && same[i]?.[j]) {
      shared.push(b);
      open = undefined;
      i++;
      j++;
      continue;
    }
    if (!open) {
      open = { before: [], after: [], at: before.length === 0 ? 1 : i / before.length };
      replacements.push(open);
    }
    if (a && (!b || (lengths[i + 1]?.[j] ?? 0) >= (lengths[i]?.[j + 1] ?? 0))) {
      open.before.push(a);
      i++;
    } else if (b) {
      open.after.push(b);
      j++;
    }
  }
  return {
    before: beforeText,
    after: afterText,
    lost: before.filter((_, row) => !same[row]?.includes(true)),
    added: after.filter((_, column) => !same.some((row) => row[column])),
    shared,
    replacements,
  };
}

function commonPrefixLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length++;
  return length;
}

/** Lengths of the longest common subsequences of what begins at each pair of words. */
function commonLengths(same: readonly (readonly boolean[])[], columns: number): number[][] {
  const lengths = Array.from({ length: same.length + 1 }, () => new Array<number>(columns + 1).fill(0));
  for (let i = same.length - 1; i >= 0; i--) {
    const [row, below] = [lengths[i] ?? [], lengths[i + 1] ?? []];
    for (let j = columns - 1; j >= 0; j--) {
      row[j] = same[i]?.[j] ? 1 + (below[j + 1] ?? 0) : Math.max(below[j] ?? 0, row[j + 1] ?? 0);
    }
  }
  return lengths;
}
