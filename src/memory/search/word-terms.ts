import { stemmer } from 'stemmer';
import { ENGLISH_STOP_WORDS } from './english-stop-words.js';

const MAX_TERM_CHARACTERS = 64;

const anyOf = (scripts: string): string =>
  `[${scripts
    .split(' ')
    .map((name) => `\\p{Script=${name}}`)
    .join('')}]`;

// Accents, and vowel signs that one may leave out. In other scripts marks are letters of their own.
const OPTIONAL_MARKS = new RegExp(`(?<=${anyOf('Latin Greek Arabic Hebrew')}\\p{M}*)\\p{Mn}`, 'gu');
const INVISIBLE = /[\p{C}\p{White_Space}\u0640\ufe0e\ufe0f]/gu;
const APOSTROPHE = /[’ʼ＇]/gu;
const ACRONYM = /^(?:\p{L}\.)+\p{L}?$/u;
const ENDING = /'(?:s|m|d|re|ve|ll)?$/;
const ELIDED = /^(?:[cdjlmnst]|qu)'/;
const GROUPED_DIGITS = /^\d{1,3}(?:,\d{3})+(?:\.\d+)?$/;
const ENGLISH_LETTERS = /^[a-z]+$/;

// Scripts of languages whose words take endings and few prefixes. The first letters of a word are nearly as good as its
// stem (McNamee, Nicholas and Mayfield, "Addressing morphological variation in alphabetic languages", SIGIR 2009): five
// letters, or three in a script whose characters are syllables.
const LETTERS = 'Cyrillic Greek Armenian Georgian';
const SYLLABLES = 'Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala';
const FIRST_LETTERS = new RegExp(`^(?:${anyOf(LETTERS)}{5}|(?:${anyOf(SYLLABLES)}\\p{M}*){3})`, 'u');
const ARABIC_ARTICLE = /^و?(?:ال|بال|كال|فال|لل)(?=\p{L}{3})/u;

/** The terms of a word of Unicode's segmentation; none for a stop word. */
export function termsOfWord(word: string): string[] {
  const lower = word.normalize('NFKC').toLowerCase().replace(APOSTROPHE, "'").replace(INVISIBLE, '');
  if (ACRONYM.test(lower)) return bounded(lower.replaceAll('.', ''));
  if (GROUPED_DIGITS.test(lower)) return bounded(lower.replaceAll(',', ''));
  // "moved.Now": a blank is missing, or it is an address, whose parts are words as well.
  return lower.split(/[.:](?=\p{L})/u).flatMap(termsOfPlainWord);
}

function termsOfPlainWord(written: string): string[] {
  if (written === 'cannot' || written.endsWith("n't")) return ['not'];
  const plain = written.replace(ENDING, '').replace(ELIDED, '').replaceAll("'", '');
  if (ENGLISH_STOP_WORDS.has(plain)) return [];
  const folded = plain.normalize('NFD').replace(OPTIONAL_MARKS, '').normalize('NFC');
  if (ENGLISH_LETTERS.test(folded)) return bounded(stemmer(folded));
  const word = folded.replaceAll('ς', 'σ').replaceAll('ё', 'е').replace(ARABIC_ARTICLE, '');
  const first = FIRST_LETTERS.exec(word)?.[0];
  return first === undefined || first === word ? bounded(word) : [first, ...bounded(word)];
}

/** Cut between characters, since half of a surrogate pair has no UTF-8 form. */
function bounded(term: string): string[] {
  const cut = term.slice(0, MAX_TERM_CHARACTERS);
  const whole = cut.isWellFormed() ? cut : cut.slice(0, -1);
  return whole === '' ? [] : [whole];
}
