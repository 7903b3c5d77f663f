import {
  decayOf,
  distributionOf,
  judge,
  messagesBehind,
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
  adaptiveNoveltyWeight: 0.2,
  warmUpMessages: 10,
  halfLifeMessages: 500,
};
const NOTHING = distributionOf([]);

const scored = (perplexity: number, novelty: number): Surprisal => ({ perplexity, novelty, informationNats: 50 });
const informative = (informationNats: number, novelty: number): Surprisal => ({
  perplexity: 20,
  informationNats,
  novelty,
});
const unscored = (novelty: number): Surprisal => ({ perplexity: null, informationNats: null, novelty });

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
    const { surprise, threshold, mode, kept } = judge(scored(Math.E ** 2.5 - 1, 0.5), RULE, NOTHING);
    expect(surprise).toBeCloseTo(0.6 * 0.5 + 0.4 * 0.5, 12);
    expect({ threshold, mode, kept }).toEqual({ threshold: 0.7, mode: 'fixed', kept: false });
  });

  it('has full perplexity from the divisor on', () => {
    const atDivisor = judge(scored(Math.E ** 5 - 1, 0), RULE, NOTHING).surprise;
    expect(atDivisor).toBeCloseTo(0.6, 12);
    expect(judge(scored(1e12, 0), RULE, NOTHING).surprise).toBeCloseTo(0.6, 12);
  });

  it('keeps what reaches the threshold exactly', () => {
    expect(judge(unscored(0.7), RULE, NOTHING).kept).toBe(true);
    expect(judge(unscored(0.699), RULE, NOTHING).kept).toBe(false);
  });

  it('finds no perplexity enough at distance 0.2, as its default numbers say', () => {
    expect(judge(scored(1e9, 0.2), RULE, NOTHING).kept).toBe(false);
  });

  it('goes by novelty alone where there is no perplexity', () => {
    expect(judge(unscored(0.9), RULE, NOTHING)).toMatchObject({ surprise: 0.9, kept: true });
  });
});

describe(distributionOf.name, () => {
  it('has the mean, the deviation and the correlation of what was added', () => {
    const { messages, logInformation, novelty, correlation } = distributionOf(
      accumulate([informative(Math.E, 0.2), informative(Math.E ** 3, 0.6)]),
    );
    expect(messages).toBe(2);
    expect(logInformation.mean).toBeCloseTo(2, 12);
    expect(logInformation.deviation).toBeCloseTo(1, 12);
    expect(novelty.mean).toBeCloseTo(0.4, 12);
    expect(novelty.deviation).toBeCloseTo(0.2, 12);
    expect(correlation).toBeCloseTo(1, 12);
  });

  it('counts the novelty of what could not be scored, too', () => {
    const { messages, logInformation, novelty } = distributionOf(accumulate([informative(Math.E, 0.2), unscored(0.8)]));
    expect(messages).toBe(2);
    expect(logInformation).toEqual({ mean: 1, deviation: 0 });
    expect(novelty.mean).toBeCloseTo(0.5, 12);
  });

  it('is empty before the first message', () => {
    const nothing = { mean: 0, deviation: 0 };
    expect(NOTHING).toEqual({ messages: 0, logInformation: nothing, novelty: nothing, correlation: 0 });
  });

  it('halves the weight of a message over the half-life', () => {
    expect(decayOf(500) ** 500).toBeCloseTo(0.5, 12);
  });

  it('takes a message without any information for one with next to none', () => {
    const addends = statisticsAddends(informative(0, 0.5));
    expect(addends.every(Number.isFinite)).toBe(true);
  });
});

describe(messagesBehind.name, () => {
  it.each([1, 10, 500, 5_000])('counts %p messages behind their decayed count', (count) => {
    let decayed = 0;
    for (let i = 0; i < count; i++) decayed = decayed * decayOf(500) + 1;
    expect(messagesBehind(decayed, 500)).toBeCloseTo(count, 3);
  });

  it('knows no end where the count has reached its limit', () => {
    expect(messagesBehind(1 / (1 - decayOf(500)), 500)).toBe(Infinity);
    expect(messagesBehind(0, 500)).toBeCloseTo(0, 12);
  });
});

describe('the adaptive rule', () => {
  const adaptive: SurpriseRule = { ...RULE, surpriseMode: 'adaptive' };

  /** Messages of one kind of user, and the share of further ones of that kind that is kept. */
  function keptShare(rule: SurpriseRule, meanLogNats: number, meanNovelty: number, correlation = 0): number {
    const normal = normalsFrom(7);
    const message = (): Surprisal => {
      const x = normal();
      const y = correlation * x + Math.sqrt(1 - correlation ** 2) * normal();
      return informative(Math.exp(meanLogNats + 0.5 * x), meanNovelty + 0.1 * y);
    };
    const known = distributionOf(accumulate(Array.from({ length: 2_000 }, message), decayOf(500)));
    const verdicts = Array.from({ length: 4_000 }, () => judge(message(), rule, known));
    return verdicts.filter(({ kept }) => kept).length / verdicts.length;
  }

  it('follows the fixed rule until it has seen enough', () => {
    const after = (count: number) =>
      judge(
        scored(20, 0.5),
        adaptive,
        distributionOf(accumulate(Array.from({ length: count }, () => scored(20, 0.5)))),
      );
    expect(after(9)).toMatchObject({ mode: 'fixed', threshold: 0.7 });
    expect(after(10)).toMatchObject({ mode: 'adaptive', threshold: 0.5 });
  });

  it('keeps everything in mode all, with the number that the other two would go by', () => {
    const all = { ...adaptive, surpriseMode: 'all' } as const;
    const known = distributionOf(accumulate(Array.from({ length: 20 }, (_, i) => informative(20 + i, 0.3 + i / 100))));
    for (const distribution of [NOTHING, known]) {
      const { surprise, kept } = judge(informative(1, 0.01), adaptive, distribution);
      expect(kept).toBe(false);
      expect(judge(informative(1, 0.01), all, distribution)).toEqual({
        surprise,
        threshold: 0,
        mode: 'all',
        kept: true,
      });
    }
  });

  it.each([0.25, 0.5, 0.75])('keeps a share of %p, whatever the model and however full the store', (keepRate) => {
    for (const [logNats, novelty] of [
      [2, 0.9],
      [4, 0.5],
      [6, 0.2],
    ] as const) {
      expect(Math.abs(keptShare({ ...adaptive, keepRate }, logNats, novelty) - keepRate)).toBeLessThan(0.05);
    }
  });

  it('keeps that share also where information and novelty go together', () => {
    expect(Math.abs(keptShare({ ...adaptive, keepRate: 0.25 }, 4, 0.5, 0.8) - 0.25)).toBeLessThan(0.05);
  });

  it('goes by how much is said and how new it is, in their shares', () => {
    const normal = normalsFrom(5);
    const usual = Array.from({ length: 500 }, () => informative(Math.exp(4 + 0.5 * normal()), 0.5 + 0.1 * normal()));
    const known = distributionOf(accumulate(usual));
    const surpriseOf = (logNats: number, novelty: number, rule = adaptive) =>
      judge(informative(Math.exp(logNats), novelty), rule, known).surprise;
    expect(surpriseOf(5, 0.5)).toBeGreaterThan(surpriseOf(4, 0.5));
    expect(surpriseOf(4, 0.7)).toBeGreaterThan(surpriseOf(4, 0.5));
    expect(surpriseOf(4.5, 0.5)).toBeGreaterThan(surpriseOf(4, 0.6));
    const byNovelty = { ...adaptive, adaptiveNoveltyWeight: 1 };
    expect(surpriseOf(9, 0.5, byNovelty)).toBeCloseTo(surpriseOf(1, 0.5, byNovelty), 12);
  });

  it('lets no single message outweigh everything by its length', () => {
    const normal = normalsFrom(5);
    const usual = Array.from({ length: 500 }, () => informative(Math.exp(4 + 0.5 * normal()), 0.5 + 0.1 * normal()));
    const known = distributionOf(accumulate(usual));
    expect(judge(informative(1e9, 0.5), adaptive, known)).toEqual(judge(informative(1e12, 0.5), adaptive, known));
  });

  it('judges a message without a score by its novelty among others', () => {
    const normal = normalsFrom(3);
    const sums = accumulate(Array.from({ length: 500 }, () => scored(20, 0.5 + 0.1 * normal())));
    expect(judge(unscored(0.8), adaptive, distributionOf(sums)).kept).toBe(true);
    expect(judge(unscored(0.3), adaptive, distributionOf(sums)).kept).toBe(false);
  });

  it('returns finite numbers if all messages were alike', () => {
    const alike = distributionOf(accumulate(Array.from({ length: 100 }, () => scored(20, 1))));
    expect(judge(scored(20, 1), adaptive, alike).surprise).toBeCloseTo(0.5, 6);
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
