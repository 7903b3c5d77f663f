import { fewestRequests, planString, planWindow } from './scoring-prompts.js';
import { NO_SPECIAL_TOKENS } from './special-tokens.js';

describe(fewestRequests.name, () => {
  const window = (size: number) => planWindow(0, { ids: Array.from({ length: size }, () => 1), firstCounted: 0 });
  const requestsFor = (...lengths: number[]) => fewestRequests(lengths.map(window), 10);

  it('fills requests in order, up to the bound', () => {
    expect(requestsFor(4, 4, 2)).toBe(1);
    expect(requestsFor(4, 4, 2, 1, 9, 10)).toBe(3);
  });

  it('gives a prompt beyond the bound a request of its own', () => {
    expect(requestsFor(3, 11, 3)).toBe(3);
  });

  it('needs none for nothing', () => {
    expect(requestsFor()).toBe(0);
  });

  it('puts no more prompts into one request than vLLM takes', () => {
    expect(
      fewestRequests(
        Array.from({ length: 2_000 }, () => window(1)),
        1_000_000,
      ),
    ).toBe(2);
  });
});

describe(planString.name, () => {
  it('never takes a text for shorter than a byte-level tokenizer makes it', () => {
    for (const text of ['a', 'naïve', '🦊', '\ud800', 'ﷺ']) {
      const { maxTokens } = planString(0, text, { ...NO_SPECIAL_TOKENS, prefix: [1], suffix: [2] });
      expect(maxTokens).toBeGreaterThanOrEqual(Buffer.from(text).length + 2);
    }
  });

  it('counts a separator as the one token it is, however it is spelled', () => {
    const specialTokens = { prefix: [0], stringPrefix: '<|endoftext|>', suffix: [], separator: '<|endoftext|>' };
    expect(planString(0, 'abc', specialTokens)).toMatchObject({ prompt: '<|endoftext|>abc', maxTokens: 5, skip: 1 });
  });
});
