import { areaOf, type Judged, precision, recall, thresholdFor, withInterval } from './classification.js';

const judged = (score: number, isPositive: boolean, isMarked = score >= 0.5): Judged => ({
  score,
  isPositive,
  isMarked,
});
const FOUR = [judged(0.9, true), judged(0.6, false), judged(0.4, true), judged(0.1, false)];

describe('What is told of a detector', () => {
  it('is how often it is right where it speaks, and how much it finds', () => {
    expect(precision(FOUR)).toBe(0.5);
    expect(recall(FOUR)).toBe(0.5);
    expect(precision([judged(0.1, true)])).toBeNaN();
    expect(recall([judged(0.9, false)])).toBeNaN();
  });

  it('is the chance that it puts a positive before a negative, half where both are level', () => {
    expect(areaOf(FOUR)).toBe(0.75);
    expect(areaOf([judged(0.5, true), judged(0.5, false)])).toBe(0.5);
    expect(areaOf([judged(0.5, true)])).toBeNaN();
  });

  it('has an interval around it, which is narrower the more there is', () => {
    const few = withInterval(FOUR, areaOf);
    const many = withInterval(Array.from({ length: 100 }, () => FOUR).flat(), areaOf);
    expect(few).toMatchObject({ value: 0.75, low: 0, high: 1 });
    expect(many.value).toBe(0.75);
    expect(many.low).toBeGreaterThan(0.6);
    expect(many.high).toBeLessThan(0.9);
  });
});

describe(thresholdFor.name, () => {
  it('is the highest from which on enough is found', () => {
    expect(thresholdFor(FOUR, 1)).toBe(0.4);
    expect(thresholdFor(FOUR, 0.5)).toBe(0.9);
    expect(thresholdFor(FOUR, 0.51)).toBe(0.4);
  });

  it('marks nothing where there is nothing to find', () => {
    expect(thresholdFor([judged(0.9, false)], 0.5)).toBe(1);
  });
});
