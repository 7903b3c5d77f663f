import { perplexityOf } from './perplexity.js';

function randomLogprobs(length: number): number[] {
  return Array.from({ length }, () => Math.log(1 - Math.random()));
}

const reasonWith = (part: string): string => expect.stringContaining(part) as string;

describe(perplexityOf.name, () => {
  it('is the inverse of the probability where all tokens are equally likely', () => {
    const sut = perplexityOf([null, Math.log(1 / 8), Math.log(1 / 8)]);
    expect(sut.perplexity).toBeCloseTo(8, 10);
    expect(sut.avgLogprob).toBeCloseTo(-Math.log(8), 10);
    expect(sut).not.toHaveProperty('reason');
  });

  it('is the geometric mean of the inverse probabilities, in any order, and never below 1', () => {
    for (let round = 0; round < 200; round++) {
      const logprobs = randomLogprobs(1 + Math.floor(Math.random() * 50));
      const product = logprobs.reduce((result, logprob) => result * Math.exp(-logprob / logprobs.length), 1);
      const { perplexity, avgLogprob } = perplexityOf([null, ...logprobs]);
      expect(perplexity! / product).toBeCloseTo(1, 9);
      expect(perplexity).toBeGreaterThanOrEqual(1);
      expect(avgLogprob).toBeCloseTo(-Math.log(perplexity!), 9);
      expect(perplexityOf([...logprobs.toReversed(), null]).perplexity! / perplexity!).toBeCloseTo(1, 9);
    }
  });

  it('gives no number, but a reason, for a text that has nothing to average', () => {
    expect(perplexityOf([])).toEqual({
      perplexity: null,
      avgLogprob: null,
      reason: reasonWith('no tokens'),
    });
    expect(perplexityOf([null])).toEqual({
      perplexity: null,
      avgLogprob: null,
      reason: reasonWith('single'),
    });
  });

  it('gives no number where the model holds a token for impossible', () => {
    expect(perplexityOf([null, -1, -9999, -2])).toMatchObject({
      perplexity: null,
      reason: reasonWith('infinite'),
    });
  });

  it('gives no number where it would overflow', () => {
    expect(perplexityOf([null, -800])).toMatchObject({ perplexity: null, avgLogprob: null });
  });
});
