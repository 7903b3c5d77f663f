import { slidingWindows, type SlidingWindowOptions } from './sliding-windows.js';

const below = (limit: number): number => Math.floor(Math.random() * limit);
const ids = (first: number, count: number): number[] => Array.from({ length: count }, (_, index) => first + index);

const PREFIX = 1_000_000;
const CONTEXT = 2_000_000;

/** Every id is different, so that a place in a window can be told from its value. */
function randomPlan(): SlidingWindowOptions {
  const prefix = ids(PREFIX, below(3));
  return {
    prefix,
    context: ids(CONTEXT, below(4) === 0 ? 0 : below(60)),
    message: ids(0, below(120)),
    maxTokens: prefix.length + 2 + below(40),
    overlap: below(50),
  };
}

const counted = (plan: SlidingWindowOptions): number[] =>
  slidingWindows(plan).flatMap(({ ids: window, firstCounted }) => window.slice(firstCounted));

describe(slidingWindows.name, () => {
  it('counts every token of the message exactly once and in order, whatever the lengths', () => {
    for (let round = 0; round < 2_000; round++) {
      const plan = randomPlan();
      expect(counted(plan)).toEqual(plan.message);
    }
  });

  it('never exceeds the window and starts each with the prefix', () => {
    for (let round = 0; round < 500; round++) {
      const plan = randomPlan();
      for (const window of slidingWindows(plan)) {
        expect(window.ids.length).toBeLessThanOrEqual(plan.maxTokens);
        expect(window.ids.slice(0, plan.prefix.length)).toEqual(plan.prefix);
      }
    }
  });

  it('gives each counted token its true predecessor, save the first of all', () => {
    for (let round = 0; round < 500; round++) {
      const plan = randomPlan();
      const text = [...plan.context, ...plan.message];
      for (const [index, { ids: window, firstCounted }] of slidingWindows(plan).entries()) {
        const first = text.indexOf(window[firstCounted]!);
        if (firstCounted === 0) expect(index).toBe(0);
        if (firstCounted > plan.prefix.length) expect(window[firstCounted - 1]).toBe(text[first - 1]);
      }
    }
  });

  it('keeps the nearest part of a context that does not fit', () => {
    const [only, ...others] = slidingWindows({
      prefix: [7],
      context: ids(10, 10),
      message: [1, 2, 3],
      maxTokens: 6,
      overlap: 4,
    });
    expect(others).toEqual([]);
    expect(only).toEqual({ ids: [7, 18, 19, 1, 2, 3], firstCounted: 3 });
  });

  it('puts what fits into one window', () => {
    expect(slidingWindows({ prefix: [], context: [], message: [1, 2, 3], maxTokens: 3, overlap: 2 })).toEqual([
      { ids: [1, 2, 3], firstCounted: 0 },
    ]);
  });

  it('lets windows overlap as told, but never by more than half', () => {
    const starts = (overlap: number): (number | undefined)[] =>
      slidingWindows({ prefix: [], context: [], message: ids(0, 20), maxTokens: 10, overlap }).map(
        ({ ids: window }) => window[0],
      );
    expect(starts(2)).toEqual([0, 8, 16]);
    expect(starts(9)).toEqual([0, 5, 10]);
  });

  it('repeats one token even without overlap where there is no prefix, because the first of a window has no logprob', () => {
    const windows = slidingWindows({ prefix: [], context: [], message: ids(0, 7), maxTokens: 4, overlap: 0 });
    expect(windows.map(({ firstCounted }) => firstCounted)).toEqual([0, 1]);
  });

  it('refuses a window in which nothing can be scored', () => {
    expect(() => slidingWindows({ prefix: [7], context: [], message: [1], maxTokens: 2, overlap: 0 })).toThrow(
      RangeError,
    );
  });
});
