import { type Example, fitLogisticRegression, predict } from './logistic-regression.js';
import { randomFrom } from '../../synthetic/random.js';

/** Examples drawn from a model that is known. */
function drawn(count: number, intercept: number, weights: readonly number[]): Example[] {
  const random = randomFrom(7);
  return Array.from({ length: count }, () => {
    const features = weights.map(() => 4 * random() - 2);
    return { features, isPositive: random() < predict({ intercept, weights }, features) };
  });
}

describe(fitLogisticRegression.name, () => {
  it('finds the weights that examples were drawn by', () => {
    const { intercept, weights } = fitLogisticRegression(drawn(20_000, -1, [2, 0, -0.5]), 0.01);
    expect(intercept).toBeCloseTo(-1, 0);
    for (const [index, weight] of [2, 0, -0.5].entries()) expect(weights[index]! - weight).toBeLessThan(0.1);
    expect(weights[0]).toBeGreaterThan(1.9);
  });

  it('stays finite where a feature tells all, and weighs it less the greater the penalty', () => {
    const examples = Array.from({ length: 40 }, (_, index) => ({ features: [index % 2], isPositive: index % 2 === 1 }));
    const [free, held] = [0.1, 10].map((penalty) => fitLogisticRegression(examples, penalty).weights[0]!);
    expect(free).toBeGreaterThan(held!);
    expect(held).toBeGreaterThan(0);
    expect(Number.isFinite(free)).toBe(true);
  });

  it('makes nothing of a feature that is the same everywhere', () => {
    const examples = drawn(500, 0, [1]).map((one) => ({ ...one, features: [...one.features, 5] }));
    expect(fitLogisticRegression(examples, 1).weights[1]).toBeCloseTo(0, 9);
  });
});
