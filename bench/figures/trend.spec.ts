import { median, theilSen, trendOf } from './trend.js';

const line = (count: number, y: (x: number) => number) => Array.from({ length: count }, (_, x) => ({ x, y: y(x) }));

describe('median', () => {
  it('is the middle value, or the mean of the middle two', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBeNaN();
  });
});

describe(theilSen.name, () => {
  it('is the slope of a line', () => {
    const { slope, least } = theilSen(line(10, (x) => 3 * x + 7));
    expect(slope).toBeCloseTo(3, 12);
    expect(least).toBeCloseTo(3, 12);
  });

  it('is not moved by a fifth of the points that lie far off', () => {
    const points = line(50, (x) => (x % 5 === 0 ? 1_000_000 : 2 * x));
    expect(theilSen(points).slope).toBeCloseTo(2, 1);
  });

  it('is surer of the slope the more points there are', () => {
    const noisy = (x: number) => x + 20 * Math.sin(x ** 2);
    const [few, many] = [theilSen(line(20, noisy)), theilSen(line(200, noisy))];
    expect(few.least).toBeLessThan(0);
    expect(many.least).toBeGreaterThan(0.8);
    expect(many.least).toBeLessThan(many.slope);
  });
});

describe('trendOf', () => {
  it('leaves out the first third, in which things settle', () => {
    const points = line(90, (x) => (x < 30 ? 10 * x : 300));
    expect(trendOf(points)).toEqual({ change: 0, leastChange: 0 });
  });

  it('tells the change over the whole time as a share of the median', () => {
    // From 100 to 200, with 166.7 in the middle of the last two thirds.
    const trend = trendOf(line(101, (x) => 100 + x));
    expect(trend?.change).toBeCloseTo(100 / 167, 2);
  });

  it('says nothing about a few points', () => {
    expect(trendOf(line(3, (x) => x))).toBeUndefined();
    expect(trendOf([])).toBeUndefined();
  });
});
