import { found } from '../../../test/support/recalled-memory.js';
import { estimateTokens } from '../../shared/index.js';
import type { Memory } from '../memory.js';
import { quotedText } from './quoted-text.js';
import { frameTokens, selectMemories } from './recall-selection.js';

const AMPLE = { limit: 20, maxTokens: 1_000 };
const NONE = new Map<string, Memory>();

const supersededBy = (id: string) => ({ id, atMs: 0, reason: 'changed', score: 0.9 }) as const;
const textsOf = (selected: ReturnType<typeof selectMemories>) => selected.map(({ memory }) => memory.text);

describe(selectMemories.name, () => {
  it('takes the best, up to the limit', () => {
    const ranked = ['a', 'b', 'c'].map((text) => found({ text }));
    expect(textsOf(selectMemories(ranked, NONE, [], { ...AMPLE, limit: 2 }))).toEqual(['a', 'b']);
  });

  it('takes equal texts once, whoever said them, and none that was just said', () => {
    const ranked = [found({ text: 'Yes.' }), found({ text: 'yes. ', role: 'assistant' }), found({ text: 'No.' })];
    expect(textsOf(selectMemories(ranked, NONE, [], AMPLE))).toEqual(['Yes.', 'No.']);
    expect(textsOf(selectMemories(ranked, NONE, ['NO.'], AMPLE))).toEqual(['Yes.']);
  });

  it('stays within its tokens, cuts what is too long and leaves room for others', () => {
    const ranked = Array.from({ length: 6 }, (_, index) => found({ text: `word ${index} `.repeat(400) }));
    const selected = selectMemories([...ranked, found({ text: 'short' })], NONE, [], AMPLE);
    const tokens = selected.map(({ memory, quotation }) => frameTokens(memory) + estimateTokens(quotation));
    expect(tokens.reduce((sum, one) => sum + one)).toBeLessThanOrEqual(1_000);
    expect(Math.max(...tokens)).toBeLessThanOrEqual(200);
    expect(selected.length).toBeGreaterThanOrEqual(4);
    expect(selected[0]!.memory).toBe(ranked[0]!.memory);
  });

  it('counts a text as it is sent, with what is escaped in it', () => {
    const texts = [
      '"quoted"\n'.repeat(30),
      '<b>'.repeat(80),
      '\ud83d\ude00\n'.repeat(40),
      '\u4f60\u597d\u3001\n'.repeat(30),
    ];
    const ranked = Array.from({ length: 20 }, (_, index) =>
      found({ text: `${index} ${texts[index % texts.length]!}` }),
    );
    const selected = selectMemories(ranked, NONE, [], AMPLE);
    const tokens = selected.map(({ memory, quotation }) => frameTokens(memory) + estimateTokens(quotedText(quotation)));
    expect(tokens.reduce((sum, one) => sum + one)).toBeLessThanOrEqual(1_000);
  });

  it('gives the best one what little room there is', () => {
    const long = found({ text: 'word '.repeat(100) });
    const [selected, ...more] = selectMemories([long, long], NONE, [], { limit: 20, maxTokens: 60 });
    expect(selected!.quotation).toMatch(/^word word/);
    expect(estimateTokens(selected!.quotation)).toBeLessThanOrEqual(46);
    expect(more).toEqual([]);
    expect(selectMemories([long], NONE, [], { limit: 20, maxTokens: 29 })).toEqual([]);
  });

  it('has what holds now before what it superseded, found or brought along', () => {
    const current = found({ id: 'new', text: 'Munich' }, 0.2);
    const old = found({ id: 'old', text: 'Berlin', supersededBy: supersededBy('new') }, 0.9);
    const other = found({ id: 'other', text: 'Graz' }, 0.5);
    const currentOf = new Map([['old', current.memory]]);
    expect(selectMemories([old, other, current], currentOf, [], AMPLE)).toMatchObject([
      { memory: { id: 'new' }, cosine: 0.2, currentId: null },
      { memory: { id: 'old' }, currentId: 'new' },
      { memory: { id: 'other' } },
    ]);
    expect(selectMemories([old, other], currentOf, [], AMPLE)).toMatchObject([
      { memory: { id: 'new' }, cosine: null, matchedTerms: [] },
      { memory: { id: 'old' } },
      { memory: { id: 'other' } },
    ]);
  });

  it('leaves out a superseded memory if its successor has no room, and brings the successor even if it was just said', () => {
    const current = found({ id: 'new', text: 'I live in Munich now.' });
    const old = found({ id: 'old', text: 'I live in Berlin.', supersededBy: supersededBy('new') });
    const currentOf = new Map([['old', current.memory]]);
    expect(textsOf(selectMemories([old], currentOf, [], { ...AMPLE, limit: 1 }))).toEqual(['I live in Munich now.']);
    expect(textsOf(selectMemories([old], currentOf, [current.memory.text], AMPLE))).toHaveLength(2);
    expect(textsOf(selectMemories([old], currentOf, [], { ...AMPLE, maxTokens: 20 }))).toEqual([]);
  });
});
