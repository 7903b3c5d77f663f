import {
  decayOf,
  distributionOf,
  judge,
  normalCdf,
  statisticsAddends,
  type SurpriseRule,
  type Surprisal,
} from './surprise.js';

const RULE: SurpriseRule = {
  surpriseMode: 'fixed',
  perplexityWeight: 0.6,
  noveltyWeight: 0.4,
  perplexityDivisor: 5,
  threshold: 0.7,
  keepRate: 0.5,
  warmUpMessages: 30,
  halfLifeMessages: 500,
};
const NOTHING = distributionOf([]);

/** The store's part: every sum becomes `sum · decay + addend`. */
function accumulate(messages: readonly Surprisal[], decay = 1): number[] {
  return messages.reduce<number[]>(
    (sums, message) => statisticsAddends(message).map((addend, index) => (sums[index] ?? 0) * decay + addend),
    [],
  );
}

/** Reproducible normal numbers (Box–Muller over mulberry32). */
function normalsFrom(seed: number): () => number {
  let state = seed;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

describe('the fixed rule', () => {
  it('weighs perplexity and novelty', () => {
    const { surprise, threshold, mode, kept } = judge({ perplexity: Math.E ** 2.5 - 1, novelty: 0.5 }, RULE, NOTHING);
    expect(surprise).toBeCloseTo(0.6 * 0.5 + 0.4 * 0.5, 12);
    expect({ threshold, mode, kept }).toEqual({ threshold: 0.7, mode: 'fixed', kept: false });
  });

  it('has full perplexity from the divisor on', () => {
    const atDivisor = judge({ perplexity: Math.E ** 5 - 1, novelty: 0 }, RULE, NOTHING).surprise;
    expect(atDivisor).toBeCloseTo(0.6, 12);
    expect(judge({ perplexity: 1e12, novelty: 0 }, RULE, NOTHING).surprise).toBeCloseTo(0.6, 12);
  });

  it('keeps what reaches the threshold exactly', () => {
    expect(judge({ perplexity: null, novelty: 0.7 }, RULE, NOTHING).kept).toBe(true);
    expect(judge({ perplexity: null, novelty: 0.699 }, RULE, NOTHING).kept).toBe(false);
  });

  it('finds no perplexity enough at distance 0.2, as its default numbers say', () => {
    expect(judge({ perplexity: 1e9, novelty: 0.2 }, RULE, NOTHING).kept).toBe(false);
  });

  it('goes by novelty alone where there is no perplexity', () => {
    expect(judge({ perplexity: null, novelty: 0.9 }, RULE, NOTHING)).toMatchObject({ surprise: 0.9, kept: true });
  });
});

describe(distributionOf.name, () => {
  it('has the mean, the deviation and the correlation of what was added', () => {
    const messages = [
      { perplexity: Math.E, novelty: 0.2 },
      { perplexity: Math.E ** 3, novelty: 0.6 },
    ];
    const { messages: count, logPerplexity, novelty, correlation } = distributionOf(accumulate(messages));
    expect(count).toBe(2);
    expect(logPerplexity.mean).toBeCloseTo(2, 12);
    expect(logPerplexity.deviation).toBeCloseTo(1, 12);
    expect(novelty.mean).toBeCloseTo(0.4, 12);
    expect(novelty.deviation).toBeCloseTo(0.2, 12);
    expect(correlation).toBeCloseTo(1, 12);
  });

  it('counts the novelty of what could not be scored, too', () => {
    const { messages, logPerplexity, novelty } = distributionOf(
      accumulate([
        { perplexity: Math.E, novelty: 0.2 },
        { perplexity: null, novelty: 0.8 },
      ]),
    );
    expect(messages).toBe(2);
    expect(logPerplexity).toEqual({ mean: 1, deviation: 0 });
    expect(novelty.mean).toBeCloseTo(0.5, 12);
  });

  it('is empty before the first message', () => {
    expect(NOTHING).toEqual({
      messages: 0,
      logPerplexity: { mean: 0, deviation: 0 },
      novelty: { mean: 0, deviation: 0 },
      correlation: 0,
    });
  });

  it('halves the weight of a message over the half-life', () => {
    const decay = decayOf(500);
    expect(decay ** 500).toBeCloseTo(0.5, 12);
  });
});

describe('the adaptive rule', () => {
  const adaptive: SurpriseRule = { ...RULE, surpriseMode: 'adaptive' };

  /** Messages of one kind of user, and the share of further ones of that kind that is kept. */
  function keptShare(rule: SurpriseRule, meanLogPerplexity: number, meanNovelty: number, correlation = 0): number {
    const normal = normalsFrom(7);
    const message = (): Surprisal => {
      const x = normal();
      const y = correlation * x + Math.sqrt(1 - correlation ** 2) * normal();
      return { perplexity: Math.exp(meanLogPerplexity + 0.8 * x), novelty: meanNovelty + 0.1 * y };
    };
    const known = distributionOf(accumulate(Array.from({ length: 2_000 }, message), decayOf(500)));
    const verdicts = Array.from({ length: 4_000 }, () => judge(message(), rule, known));
    return verdicts.filter(({ kept }) => kept).length / verdicts.length;
  }

  it('follows the fixed rule until it has seen enough', () => {
    const few = accumulate(Array.from({ length: 29 }, () => ({ perplexity: 20, novelty: 0.5 })));
    expect(judge({ perplexity: 20, novelty: 0.5 }, adaptive, distributionOf(few)).mode).toBe('fixed');
    const enough = accumulate(Array.from({ length: 30 }, () => ({ perplexity: 20, novelty: 0.5 })));
    expect(judge({ perplexity: 20, novelty: 0.5 }, adaptive, distributionOf(enough)).mode).toBe('adaptive');
  });

  it.each([0.25, 0.5, 0.75])('keeps a share of %p, whatever the model and however full the store', (keepRate) => {
    for (const [logPerplexity, novelty] of [
      [2, 0.9],
      [4, 0.5],
      [6, 0.2],
    ] as const) {
      expect(Math.abs(keptShare({ ...adaptive, keepRate }, logPerplexity, novelty) - keepRate)).toBeLessThan(0.05);
    }
  });

  it('keeps that share also where perplexity and novelty go together', () => {
    expect(Math.abs(keptShare({ ...adaptive, keepRate: 0.25 }, 4, 0.5, 0.8) - 0.25)).toBeLessThan(0.05);
  });

  it('judges a message without perplexity by its novelty among others', () => {
    const normal = normalsFrom(3);
    const sums = accumulate(Array.from({ length: 500 }, () => ({ perplexity: 20, novelty: 0.5 + 0.1 * normal() })));
    expect(judge({ perplexity: null, novelty: 0.8 }, adaptive, distributionOf(sums)).kept).toBe(true);
    expect(judge({ perplexity: null, novelty: 0.3 }, adaptive, distributionOf(sums)).kept).toBe(false);
  });

  it('makes no number that is none where everything was alike', () => {
    const alike = distributionOf(accumulate(Array.from({ length: 100 }, () => ({ perplexity: 20, novelty: 1 }))));
    const { surprise } = judge({ perplexity: 20, novelty: 1 }, adaptive, alike);
    expect(surprise).toBeCloseTo(0.5, 6);
  });
});

describe(normalCdf.name, () => {
  it.each([
    [0, 0.5],
    [1, 0.8413447],
    [-1, 0.1586553],
    [1.959964, 0.975],
    [-8, 0],
  ])('of %p is %p', (z, expected) => {
    expect(normalCdf(z)).toBeCloseTo(expected, 6);
  });
});
