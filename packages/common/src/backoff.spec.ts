import { fullJitterBackoffMs } from './backoff.js';

const LIMITS = { initialMs: 100, maxMs: 5_000 };

describe(fullJitterBackoffMs.name, () => {
  it('doubles its ceiling with each attempt, up to the maximum', () => {
    const ceilings = [0, 1, 2, 3, 10, 1_000].map((attempt) => fullJitterBackoffMs(attempt, LIMITS, () => 1));
    expect(ceilings).toEqual([100, 200, 400, 800, 5_000, 5_000]);
  });

  it('spreads over the whole interval', () => {
    expect(fullJitterBackoffMs(2, LIMITS, () => 0)).toBe(0);
    expect(fullJitterBackoffMs(2, LIMITS, () => 0.5)).toBe(200);
  });
});
