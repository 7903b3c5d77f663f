import type { FoundMemory, Memory } from './memory.js';
import { rankMemories, takeWithinBudget } from './recall-ranking.js';

const NOW_MS = 1_790_000_000_000;
const DAY_MS = 86_400_000;
const WEIGHTS = { similarityWeight: 0.7, recencyWeight: 0.15, surpriseWeight: 0.15, recencyHalfLifeMs: 30 * DAY_MS };

const found = (text: string, similarity: number, more: Partial<Memory> = {}): FoundMemory => ({
  tier: 'memory',
  similarity,
  memory: { text, lastSeenAtMs: NOW_MS, surprise: 0.5, ...more } as Memory,
});
const order = (...memories: FoundMemory[]): string[] =>
  rankMemories(memories, WEIGHTS, NOW_MS).map(({ memory }) => memory.text);

describe(rankMemories.name, () => {
  it('puts the more similar first', () => {
    expect(order(found('b', 0.4), found('a', 0.6))).toEqual(['a', 'b']);
  });

  it('lets a recent one pass an old one that is a little more similar', () => {
    const old = found('old', 0.62, { lastSeenAtMs: NOW_MS - 365 * DAY_MS });
    expect(order(old, found('recent', 0.6))).toEqual(['recent', 'old']);
    expect(order({ ...old, similarity: 0.9 }, found('recent', 0.6))).toEqual(['old', 'recent']);
  });

  it('lets a surprising one pass a dull one that is a little more similar', () => {
    expect(order(found('dull', 0.62, { surprise: 0.1 }), found('surprising', 0.6, { surprise: 0.9 }))).toEqual([
      'surprising',
      'dull',
    ]);
  });

  it('takes a memory that nobody judged for neither, and one from the future for new', () => {
    const ranked = order(
      found('manual', 0.6, { surprise: null }),
      found('future', 0.6, { lastSeenAtMs: NOW_MS + DAY_MS, surprise: 0.6 }),
      found('dull', 0.6, { surprise: 0.4 }),
    );
    expect(ranked).toEqual(['future', 'manual', 'dull']);
  });
});

describe(takeWithinBudget.name, () => {
  const lengthOf = (text: string): number => text.length;

  it('takes the first ones up to the limit', () => {
    expect(takeWithinBudget(['a', 'b', 'c'], { limit: 2, maxTokens: 100 }, lengthOf)).toEqual(['a', 'b']);
  });

  it('passes over what does not fit for what does', () => {
    expect(takeWithinBudget(['aaa', 'bbbbbbbb', 'cc', 'd'], { limit: 5, maxTokens: 5 }, lengthOf)).toEqual([
      'aaa',
      'cc',
    ]);
  });
});
