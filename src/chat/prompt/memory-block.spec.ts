import { quotedMemories } from '../../../test/support/quoted-memories.js';
import { recalled } from '../../../test/support/recalled-memory.js';
import { estimateTokens } from '../../shared/index.js';
import { LocalTime } from './local-time.js';
import { memoryBlock } from './memory-block.js';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 27, 15, 45);
const TIME = new LocalTime('UTC', NOW);
const AMPLE = { maxTokens: 10_000, countTokens: estimateTokens };

const said = (text: string, daysAgo: number) => recalled({ id: text, text, lastSeenAtMs: NOW - daysAgo * DAY });
const outdated = (text: string, daysAgo: number, by: string, currentId = by) =>
  recalled(
    {
      id: text,
      text,
      lastSeenAtMs: NOW - daysAgo * DAY,
      supersededBy: { id: by, atMs: NOW, reason: 'changed', score: 0.9 },
    },
    currentId,
  );

const linesOf = (block: ReturnType<typeof memoryBlock>) => quotedMemories(block.lines.join('\n'));
const textsOf = (block: ReturnType<typeof memoryBlock>) => linesOf(block).map(({ text }) => text);

describe(memoryBlock.name, () => {
  it('is nothing where nothing is remembered, or fits', () => {
    expect(memoryBlock([], TIME, AMPLE)).toEqual({ memories: [], lines: [], tokens: 0 });
    expect(memoryBlock([said('a', 1)], TIME, { ...AMPLE, maxTokens: 20 }).lines).toEqual([]);
  });

  it('stands in the order of when things were last said, whatever their rank', () => {
    const block = memoryBlock([said('new', 1), said('old', 9), said('newer', 0), said('older', 30)], TIME, AMPLE);
    expect(textsOf(block)).toEqual(['older', 'old', 'new', 'newer']);
    expect(block.memories.map(({ memory }) => memory.text)).toEqual(['new', 'old', 'newer', 'older']);
  });

  it('has the versions of a fact together, the one that holds last and marked', () => {
    const ranked = [said('c', 2), outdated('a', 40, 'b', 'c'), said('x', 10), said('y', 1), outdated('b', 20, 'c')];
    const block = memoryBlock(ranked, TIME, AMPLE);
    expect(textsOf(block)).toEqual(['x', 'a', 'b', 'c', 'y']);
    expect(linesOf(block).map(({ date }) => /outdated since|holds now/.exec(date)?.[0])).toEqual([
      undefined,
      'outdated since',
      'outdated since',
      'holds now',
      undefined,
    ]);
  });

  it('leaves out what was superseded before what supersedes it, and shorter ones last', () => {
    const current = said('c'.repeat(600), 1);
    const ranked = [current, outdated('old', 5, current.memory.id), said('short', 3)];
    const whole = memoryBlock(ranked, TIME, AMPLE);
    expect(textsOf(memoryBlock(ranked, TIME, { ...AMPLE, maxTokens: whole.tokens }))).toHaveLength(3);
    expect(textsOf(memoryBlock(ranked, TIME, { ...AMPLE, maxTokens: whole.tokens - 1 }))).toEqual([
      'old',
      current.quotation,
    ]);
    // Where the newer one does not fit the older would say what holds no more.
    expect(textsOf(memoryBlock(ranked, TIME, { ...AMPLE, maxTokens: whole.tokens - 200 }))).toEqual(['short']);
  });

  it('counts every line that it has', () => {
    const block = memoryBlock([said('a', 1), said('b', 2)], TIME, AMPLE);
    expect(block.tokens).toBeGreaterThanOrEqual(estimateTokens(block.lines.join('\n')));
  });
});
