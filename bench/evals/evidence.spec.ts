import { anySessionAt, estimate, type Finding, recallAt } from './evidence.js';

const FINDING: Finding = { category: 'a', evidence: ['e1', 'e2'], found: ['x', 'e1', 'y', 'e2'] };

describe(recallAt.name, () => {
  it('is the share of the evidence among the first', () => {
    expect([1, 2, 3, 4, 20].map((k) => recallAt(k, FINDING))).toEqual([0, 0.5, 0.5, 1, 1]);
  });
});

describe(anySessionAt.name, () => {
  it('is satisfied by any turn of a session with evidence', () => {
    const sessionOf = new Map([
      ['x', 's1'],
      ['e1', 's2'],
      ['y', 's1'],
      ['e2', 's1'],
    ]);
    expect(anySessionAt(1, FINDING, sessionOf)).toBe(1);
    expect(anySessionAt(1, { ...FINDING, found: ['z'] }, sessionOf)).toBe(0);
    expect(anySessionAt(1, { ...FINDING, evidence: ['e1'] }, sessionOf)).toBe(0);
  });
});

describe(estimate.name, () => {
  it('has the bounds of a share, about two standard errors from it', () => {
    const values = Array.from({ length: 400 }, (_, index) => (index % 4 === 0 ? 1 : 0));
    const { mean, low, high } = estimate(values);
    expect(mean).toBe(0.25);
    expect(low).toBeCloseTo(0.25 - 1.96 * Math.sqrt((0.25 * 0.75) / 400), 1);
    expect(high).toBeCloseTo(0.25 + 1.96 * Math.sqrt((0.25 * 0.75) / 400), 1);
    expect(estimate(values)).toEqual({ mean, low, high });
  });

  it('is certain of what is always the same, and of nothing knows nothing', () => {
    expect(estimate([1, 1, 1])).toEqual({ mean: 1, low: 1, high: 1 });
    expect(estimate([]).mean).toBeNaN();
  });
});
