import { positionLogprobs } from './logprobs.js';

/** A vocabulary of four tokens with these probabilities. */
const probabilities = [0.5, 0.25, 0.2, 0.05];
const logits = new Map(probabilities.map((probability, token) => [token, Math.log(probability) + 7]));
const position = { logits, totalWeight: 1 / 0.5 };

describe(positionLogprobs.name, () => {
  it('is the logarithm of the probability', () => {
    expect(positionLogprobs(position, 2, 0).logprob).toBeCloseTo(Math.log(0.2), 12);
  });

  it('lists the actual token first, then the most likely', () => {
    const { top } = positionLogprobs(position, 3, 2);
    expect(top.map(({ token }) => token)).toEqual([3, 0, 1]);
    expect(top[1]!.logprob).toBeCloseTo(Math.log(0.5), 12);
  });

  it('lists the actual token once, with the very same number', () => {
    const { top, logprob } = positionLogprobs(position, 0, 2);
    expect(top.map(({ token }) => token)).toEqual([0, 1]);
    expect(top[0]!.logprob).toBe(logprob);
  });

  it('answers vLLM’s least number for a probability of zero', () => {
    const impossible = { logits: new Map([...logits, [9, -Infinity]]), totalWeight: 2 };
    expect(positionLogprobs(impossible, 9, 0).logprob).toBe(-9999);
  });

  it('refuses what is not a number', () => {
    expect(() => positionLogprobs({ logits: new Map([[1, NaN]]), totalWeight: 1 }, 1, 0)).toThrow(RangeError);
    expect(() => positionLogprobs(position, 8, 0)).toThrow(RangeError);
  });
});
