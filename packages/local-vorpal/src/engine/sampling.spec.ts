import { choosesByRawLogits, isGreedy, type Sampling, seedOfChoice, seedOfStep } from './sampling.js';

const sampling: Sampling = {
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  frequencyPenalty: 0,
  presencePenalty: 0,
  seed: 1,
};

describe('Sampling', () => {
  it('is greedy where dividing by the temperature would overflow', () => {
    expect([0, 1e-6, 1e-4, 1].map((temperature) => isGreedy({ temperature }))).toEqual([true, true, false, false]);
  });

  it('depends on more than the logits with penalties or a temperature', () => {
    expect(choosesByRawLogits(sampling)).toBe(true);
    expect(choosesByRawLogits({ ...sampling, temperature: 0.5 })).toBe(false);
    expect(choosesByRawLogits({ ...sampling, presencePenalty: 0.1 })).toBe(false);
  });

  it('spreads the seeds of the steps evenly over the generator’s range', () => {
    const eighths = Array.from({ length: 8 }, () => 0);
    for (let step = 0; step < 8_000; step++) eighths[Math.floor((seedOfStep(42, step) / 2 ** 32) * 8)]!++;
    for (const count of eighths) expect(count).toBeGreaterThan(850);
  });

  it.each([0, 7, -5, 2 ** 32 + 7, Number.MAX_SAFE_INTEGER])('makes seed %d an unsigned 32-bit number', (seed) => {
    for (const choice of [0, 1, 2]) {
      const value = seedOfChoice(seed, choice);
      expect(Number.isInteger(value) && value >= 0 && value < 2 ** 32).toBe(true);
    }
  });

  it('tells seeds and choices apart', () => {
    const seeds = [seedOfChoice(7, 0), seedOfChoice(8, 0), seedOfChoice(7, 1), seedOfChoice(2 ** 32 + 7, 0)];
    expect(new Set(seeds).size).toBe(seeds.length);
  });
});
