import { randomFrom } from './random.js';

const VOCABULARY = 20_000;
// Heaps' and Zipf's laws of everyday text need no more: a few words are everywhere, most are rare.
const ZIPF_EXPONENT = 1;
const SYLLABLES = ['ba', 'co', 'di', 'fu', 'ga', 'he', 'ki', 'lo', 'ma', 'ne', 'po', 'ru', 'sa', 'ti', 'vo', 'ze'];
const PLACES = 4;

/** Texts of made-up words whose frequencies follow Zipf's law; the same ones for the same seed. */
export class SyntheticTexts {
  private readonly random: () => number;
  private readonly cumulative: Float64Array;

  constructor(seed: number) {
    this.random = randomFrom(seed);
    this.cumulative = new Float64Array(VOCABULARY);
    let sum = 0;
    for (let rank = 0; rank < VOCABULARY; rank += 1) {
      sum += (rank + 1) ** -ZIPF_EXPONENT;
      this.cumulative[rank] = sum;
    }
  }

  next(words: number): string {
    return Array.from({ length: words }, () => wordOf(this.rank())).join(' ');
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
