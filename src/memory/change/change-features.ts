import {
  ADDITIONS,
  ADDRESSED,
  CHANGES,
  COURTESIES,
  EPISODES,
  NEGATIONS,
  RELATIVES,
  STATES,
  type WordList,
} from './change-words.js';
import { type ComparableText, isNegatedForm, isSameWord, type TextDifference, type Word } from './text-difference.js';
import { isCalendarWord } from './value-words.js';

const WORD_FEATURES = [
  'sharedWords',
  'sharedContent',
  'addedContent',
  'sameContent',
  'nothingLost',
  'lengthRatio',
  'oneReplacement',
  'stateContinuedOtherwise',
  'valueReplaced',
  'onlyValuesReplaced',
  'valueAdded',
  'valueShared',
  'nameReplaced',
  'nameAdded',
  'nameAndValueReplaced',
  'relativeReplaced',
  'negationDiffers',
  'negationOfShared',
  'onlyNegationDiffers',
  'negationOfOther',
  'changeSaid',
  'changeOfShared',
  'additionSaid',
  'episodes',
  'courtesy',
  'addressed',
  'negationOfSame',
  'changeOfSame',
] as const;

/** In their order: a pair has the first always, and the cosine where it says something. */
export const FEATURES = { words: WORD_FEATURES, cosine: ['cosine'] } as const;
export type Feature = (typeof FEATURES)[keyof typeof FEATURES][number];

/**
 * The features of a pair, as far as it has them: flags, shares of 0 to 1, and logarithms of `1 + x`.
 * @param cosine of the vectors of both texts; `null` where it says nothing
 */
export function featuresOf(difference: TextDifference, cosine: number | null): Partial<Record<Feature, number>> {
  return { ...wordFeatures(difference), ...(cosine !== null && { cosine }) };
}

/**
 * Whether two texts are small talk, whose similarity says nothing: both thank, greet or cheer, or both are long and
 * share few words. Such texts are alike in how people talk, not in what they talk about.
 */
export function isTalk({ before, after, lost, added }: TextDifference): boolean {
  if (COURTESIES.count(before) > 0 && COURTESIES.count(after) > 0) return true;
  const [older, newer] = [before.words.length, after.words.length];
  if (Math.min(older, newer) <= MOST_WORDS_OF_A_FACT) return false;
  return (lost.length + added.length) / (older + newer) > 1 - LEAST_SHARED;
}

function wordFeatures(difference: TextDifference): Record<(typeof WORD_FEATURES)[number], number> {
  const { added, lost, replacements } = difference;
  const [before, after] = [difference.before.words, difference.after.words];
  const [older, newer] = [describe(difference.before, after), describe(difference.after, before)];
  const swaps = replacements.filter((one) => one.before.length > 0 && one.after.length > 0);
  const isReplaced = (is: (word: Word) => boolean) => added.some(is) && lost.some(is);
  const isAdded = (is: (word: Word) => boolean) => added.some(is) && !lost.some(is);
  const addedContent = added.filter(isContent).length;
  const isContentSame = addedContent === 0 && !lost.some(isContent);
  const sharedContent = Math.max(0, newer.content - addedContent) / Math.max(1, Math.min(older.content, newer.content));
  const sharedWords = 1 - (added.length + lost.length) / Math.max(1, before.length + after.length);
  const isNegationNew = older.negations > 0 !== newer.negations > 0;
  const isChangeSaid = newer.changes > older.changes;
  return {
    sharedWords,
    sharedContent: Math.min(1, sharedContent),
    addedContent: Math.log1p(addedContent),
    sameContent: flag(isContentSame && !isNegationNew),
    nothingLost: flag(!lost.some(isContent) && !isNegationNew),
    lengthRatio: Math.abs(Math.log(Math.max(1, after.length) / Math.max(1, before.length))),
    oneReplacement: flag(swaps.length === 1 && replacements.length === 1),
    stateContinuedOtherwise: flag(addedContent > 0 && isStateContinuedOtherwise(before, after)),
    valueReplaced: flag(isReplaced(isValue)),
    onlyValuesReplaced: flag(isReplaced(isValue) && [...added, ...lost].filter(isContent).every(isValue)),
    valueAdded: flag(isAdded(isValue)),
    valueShared: flag(after.some((word) => isValue(word) && !added.includes(word))),
    nameReplaced: flag(isReplaced(isName)),
    nameAdded: flag(isAdded(isName)),
    nameAndValueReplaced: flag(isReplaced(isName) && isReplaced(isValue)),
    relativeReplaced: flag(isReplaced(isRelative)),
    negationDiffers: flag(isNegationNew),
    negationOfShared: isNegationNew ? Math.min(1, sharedContent) : 0,
    onlyNegationDiffers: flag(isContentSame && isNegationNew),
    negationOfOther: flag(isNegationNew && addedContent > 0 && lost.some(isContent)),
    changeSaid: flag(isChangeSaid),
    changeOfShared: isChangeSaid ? Math.min(1, sharedContent) : 0,
    additionSaid: flag(newer.additions > older.additions),
    episodes: flag(older.episodes > 0 && newer.episodes > 0),
    courtesy: flag(newer.courtesies > 0),
    addressed: flag(newer.addressed > 0),
    negationOfSame: isNegationNew ? sharedWords : 0,
    changeOfSame: isChangeSaid ? sharedWords : 0,
  };
}

const flag = (value: boolean): number => (value ? 1 : 0);

// Of the shorter text. A fact is told in a sentence; what is longer tells several, and shares words with everything.
const MOST_WORDS_OF_A_FACT = 12;
const LEAST_SHARED = 0.4;

// "My …" and "I am …" begin anything.
const LEAST_BEGINNING = 2;

// They are features of their own, and nothing new that is told.
const GRAMMAR = [NEGATIONS, CHANGES, ADDITIONS, COURTESIES, ADDRESSED];

function describe(text: ComparableText, other: readonly Word[]) {
  const count = (list: WordList) => list.count(text);
  return {
    negations: count(NEGATIONS) + text.words.filter((word) => other.some((one) => isNegatedForm(one, word))).length,
    changes: count(CHANGES),
    additions: count(ADDITIONS),
    episodes: count(EPISODES),
    courtesies: count(COURTESIES),
    addressed: count(ADDRESSED),
    content: text.words.filter(isContent).length,
  };
}

/** Whether both begin with the same words, a verb of state among them, and go on with others: "My therapist is …". */
function isStateContinuedOtherwise(before: readonly Word[], after: readonly Word[]): boolean {
  const differs = after.findIndex((word, index) => !before[index] || !isSameWord(word, before[index]));
  if (differs < LEAST_BEGINNING || differs >= before.length) return false;
  return after.slice(0, differs).some((word) => STATES.has(word));
}

const isContent = (word: Word): boolean => word.stem !== '' && !GRAMMAR.some((list) => list.has(word));
const isValue = (word: Word): boolean => word.isNumber || isCalendarWord(word.folded);
const isName = (word: Word): boolean =>
  !word.beginsSentence && /^\p{Lu}/u.test(word.raw) && !/^i\b/u.test(word.folded) && !isCalendarWord(word.folded);
const isRelative = (word: Word): boolean => RELATIVES.has(word);
