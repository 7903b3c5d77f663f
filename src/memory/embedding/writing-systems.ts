// Those that most texts are written in come first. Letters of any other count as one more script.
const SCRIPT_NAMES = [
  ...['Latin', 'Cyrillic', 'Han', 'Arabic', 'Devanagari', 'Hiragana', 'Katakana', 'Hangul', 'Greek', 'Hebrew', 'Thai'],
  ...['Bengali', 'Tamil', 'Telugu', 'Gujarati', 'Kannada', 'Malayalam', 'Gurmukhi', 'Oriya', 'Sinhala', 'Myanmar'],
  ...['Khmer', 'Lao', 'Ethiopic', 'Armenian', 'Georgian', 'Tibetan', 'Mongolian', 'Thaana', 'Syriac', 'Nko', 'Adlam'],
  ...['Cherokee', 'Canadian_Aboriginal', 'Tifinagh', 'Javanese', 'Balinese', 'Sundanese', 'Yi', 'Vai', 'Ol_Chiki'],
];
const OTHER = 'Other';
const SCRIPTS = SCRIPT_NAMES.map((name) => ({ name, pattern: new RegExp(`^\\p{Script=${name}}`, 'u') }));
const LETTER = /\p{L}/gu;
const IS_LETTER = /^\p{L}/u;

// What a text is written in shows in its beginning.
const BEGINNING_CHARACTERS = 200;
// Further away may be letters of another kind, capitals for small ones.
const FARTHEST_NEIGHBOUR = 8;

/** Unicode's name of the script of a word's first letter. */
export function scriptOf(word: string): string {
  return SCRIPTS.find(({ pattern }) => pattern.test(word))?.name ?? OTHER;
}

/** The script that most letters are of at the beginning of a text; `undefined` where there is none. */
export function mainScriptOf(text: string): string | undefined {
  const counts = new Map<string, number>();
  for (const letter of text.slice(0, BEGINNING_CHARACTERS).match(LETTER) ?? []) {
    const script = scriptOf(letter);
    counts.set(script, (counts.get(script) ?? 0) + 1);
  }
  const [main] = [...counts].sort(([, a], [, b]) => b - a);
  return main?.[0];
}

/** A word with each letter exchanged for another of its script. */
export function exchangeLetters(word: string): string {
  return word.replace(LETTER, neighbourOf);
}

/** Another letter of the same script; the letter itself where none is near. */
function neighbourOf(letter: string): string {
  const script = scriptOf(letter);
  const code = letter.codePointAt(0) ?? 0;
  for (let distance = 1; distance <= FARTHEST_NEIGHBOUR; distance++) {
    for (const other of [code + distance, code - distance]) {
      const neighbour = other > 0 ? String.fromCodePoint(other) : '';
      if (IS_LETTER.test(neighbour) && scriptOf(neighbour) === script) return neighbour;
    }
  }
  return letter;
}
