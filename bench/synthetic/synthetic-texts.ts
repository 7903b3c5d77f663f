import { randomFrom } from './random.js';

const VOCABULARY = 20_000;
// Zipf-Mandelbrot, `1 / (rank + offset)`: what is left of everyday text without its stop words has no word that is
// everywhere.
const ZIPF_OFFSET = 50;
const STOP_WORDS = ['the', 'and', 'of', 'to', 'a', 'in', 'is', 'it', 'that', 'was', 'for', 'with'];
const CONSONANTS = Array.from('bcdfghklmnprstvz');
const VOWELS = Array.from('aeiou');
const SYLLABLES = CONSONANTS.flatMap((consonant) => VOWELS.map((vowel) => consonant + vowel));
const PLACES = 3;

/** Texts in which English stop words alternate with made-up words of everyday frequencies; reproducible by the seed. */
export class SyntheticTexts {
  private readonly random: () => number;
  private readonly cumulative: Float64Array;

  constructor(seed: number) {
    this.random = randomFrom(seed);
    this.cumulative = new Float64Array(VOCABULARY);
    let sum = 0;
    for (let rank = 0; rank < VOCABULARY; rank += 1) {
      sum += 1 / (rank + 1 + ZIPF_OFFSET);
      this.cumulative[rank] = sum;
    }
  }

  next(words: number): string {
    return Array.from({ length: words }, (_, index) =>
      index % 2 === 0 ? STOP_WORDS[Math.floor(this.random() * STOP_WORDS.length)] : wordOf(this.rank()),
    ).join(' ');
  }

  private rank(): number {
    const target = this.random() * (this.cumulative.at(-1) ?? 0);
    let low = 0;
    let high = VOCABULARY - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.cumulative[middle] ?? 0) < target) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Another word for each rank. */
function wordOf(rank: number): string {
  let rest = rank;
  return Array.from({ length: PLACES }, () => {
    const syllable = SYLLABLES[rest % SYLLABLES.length] ?? '';
    rest = Math.floor(rest / SYLLABLES.length);
    return syllable;
  }).join('');
}
