import { packRequests, planString, planWindow, specialTokensBetween } from './scoring-plan.js';

const NONE = { prefix: [], suffix: [] };

describe(packRequests.name, () => {
  const window = (text: number, size: number) =>
    planWindow(text, { ids: Array.from({ length: size }, () => 1), firstCounted: 0 });
  const sizes = (...lengths: number[]) =>
    packRequests(
      lengths.map((length, index) => window(index, length)),
      10,
    ).map((request) => request.map(({ maxTokens }) => maxTokens));

  it('fills requests in order, up to the bound', () => {
    expect(sizes(4, 4, 2, 1, 9, 10)).toEqual([[4, 4, 2], [1, 9], [10]]);
  });

  it('gives a prompt beyond the bound a request of its own', () => {
    expect(sizes(3, 11, 3)).toEqual([[3], [11], [3]]);
  });

  it('makes no request of nothing', () => {
    expect(packRequests([], 10)).toEqual([]);
  });

  it('puts no more prompts into one request than vLLM takes', () => {
    const many = Array.from({ length: 2_000 }, (_, index) => window(index, 1));
    expect(packRequests(many, 1_000_000).map(({ length }) => length)).toEqual([1_024, 976]);
  });
});

describe(planString.name, () => {
  it('never takes a text for shorter than a byte-level tokenizer makes it', () => {
    for (const text of ['a', 'naïve', '🦊', '\ud800', 'ﷺ']) {
      const { maxTokens } = planString(0, text, { prefix: [1], suffix: [2] });
      expect(maxTokens).toBeGreaterThanOrEqual(Buffer.from(text).length + 2);
    }
  });
});

describe(specialTokensBetween.name, () => {
  it.each([
    [[1, 2], [1, 2], NONE],
    [[9, 1, 2], [1, 2], { prefix: [9], suffix: [] }],
    [[9, 9, 1, 2, 8], [1, 2], { prefix: [9, 9], suffix: [8] }],
    [[9, 3], [1, 2], NONE],
  ])('%j without %j', (withSpecial, plain, expected) => {
    expect(specialTokensBetween(withSpecial, plain)).toEqual(expected);
  });
});
