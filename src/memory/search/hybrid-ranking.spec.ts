import { memoryOf } from '../../../test/contract/memory-store/memory-store.fixtures.js';
import { rankCandidates, type RankingOptions } from './hybrid-ranking.js';
import type { Memory } from '../memory.js';
import type { Candidate } from '../store/memory-store.port.js';

const MINILM: RankingOptions = { mode: 'hybrid', embeddingModel: 'Xenova/all-MiniLM-L6-v2' };
const OTHER: RankingOptions = { mode: 'hybrid', embeddingModel: 'intfloat/multilingual-e5-small' };

const candidate = (
  text: string,
  cosine: number | null,
  bm25: number | null,
  more: Partial<Memory> = {},
): Candidate => ({ memory: memoryOf(text, { id: text, ...more }), cosine, bm25, matchedTerms: [] });

const supersededBy = (id: string): Pick<Memory, 'supersededBy'> => ({
  supersededBy: { id, atMs: 1, reason: 'changed', score: 0.9 },
});

const ranked = (candidates: readonly Candidate[], options = MINILM): [string, number][] =>
  rankCandidates(candidates, options).map(({ memory, score }) => [memory.text, Number(score.toFixed(3))]);

describe(rankCandidates.name, () => {
  it('adds a twenty-fourth of BM25 to MiniLM’s cosine', () => {
    const candidates = [candidate('meant', 0.6, 0), candidate('said', 0.2, 12), candidate('both', 0.5, 6)];
    expect(ranked(candidates)).toEqual([
      ['both', 0.75],
      ['said', 0.7],
      ['meant', 0.6],
    ]);
  });

  it('scales both for any other model, so that a narrow spread of cosines is none of words', () => {
    const candidates = [candidate('meant', 0.86, 0), candidate('said', 0.82, 20), candidate('both', 0.84, 10)];
    expect(ranked(candidates, OTHER)).toEqual([
      ['meant', 1],
      ['both', 0.85],
      ['said', 0.7],
    ]);
    expect(ranked([candidate('alone', 0.8, 3)], OTHER)).toEqual([['alone', 0]]);
  });

  it('goes by one of them where it is asked to, and then leaves out what has none of it', () => {
    const candidates = [candidate('meant', 0.6, 0), candidate('said', 0.1, 12), candidate('words', null, 3)];
    expect(ranked(candidates, { ...MINILM, mode: 'dense' })).toEqual([
      ['meant', 0.6],
      ['said', 0.1],
    ]);
    expect(ranked(candidates, { ...MINILM, mode: 'lexical' })).toEqual([
      ['said', 12],
      ['words', 3],
    ]);
  });

  it('ranks by words alone where nothing was embedded', () => {
    expect(ranked([candidate('a', null, 1), candidate('b', null, 2), candidate('c', null, 0)])).toEqual([
      ['b', 0.083],
      ['a', 0.042],
    ]);
  });

  it('believes no vector that unequal texts share', () => {
    const candidates = [
      candidate('ልጄ ትምህርት ቤት ሄደች።', 0.9, 0),
      candidate('ዛሬ ዝናብ ይዘንባል።', 0.900_000_5, 2),
      candidate('Rain tomorrow', 0.4, 0),
    ];
    expect(ranked(candidates)).toEqual([
      ['ዛሬ ዝናብ ይዘንባል።', 0.483],
      ['Rain tomorrow', 0.4],
    ]);
  });

  it('believes the vector that texts share whose code alone differs, since code is not embedded', () => {
    const asked = 'Why does this function return nothing at all?';
    const candidates = ['a = 1', 'b = 2'].map((code) => candidate(`${asked}\n\`\`\`\n${code}\n\`\`\``, 0.7, 0));
    expect(ranked(candidates).map(([, score]) => score)).toEqual([0.7, 0.7]);
  });

  it('believes the vector of one text in several spellings', () => {
    expect(ranked([candidate('Café!', 0.9, 0), candidate('cafe', 0.9, 0)]).map(([, score]) => score)).toEqual([
      0.9, 0.9,
    ]);
  });

  it('believes no vector of a text that the embedder cannot read', () => {
    const candidates = [candidate('ልጄ', 0.8, 1), candidate('ዛሬ', 0.7, 0), candidate('Rain', 0.3, 0)];
    const isReadable = (text: string): boolean => /^\p{ASCII}*$/u.test(text);
    expect(ranked(candidates, { ...MINILM, isReadable })).toEqual([
      ['ልጄ', 0.342],
      ['Rain', 0.3],
    ]);
    expect(rankCandidates(candidates, { ...MINILM, isReadable })[0]?.cosine).toBeNull();
  });

  it('puts what holds before what it superseded, in its place', () => {
    const candidates = [
      candidate('10:15', 0.9, 0, supersededBy('12:00')),
      candidate('other', 0.8, 0),
      candidate('12:00', 0.7, 0, supersededBy('16:45')),
      candidate('16:45', 0.6, 0),
      candidate('gone', 0.5, 0, supersededBy('deleted')),
    ];
    expect(ranked(candidates).map(([text]) => text)).toEqual(['16:45', '12:00', '10:15', 'other', 'gone']);
    expect(ranked(candidates)[0]).toEqual(['16:45', 0.9]);
  });

  it('ends where memories supersede each other', () => {
    const candidates = [candidate('a', 0.9, 0, supersededBy('b')), candidate('b', 0.8, 0, supersededBy('a'))];
    expect(ranked(candidates)).toHaveLength(2);
  });

  const LIKE_AND_UNLIKE = [candidate('like', 0.9, 0), candidate('unlike', 0, 0)];

  it('lifts what the user wants of every answer by a third of the way from the lowest score to the highest', () => {
    const standing = candidate('Always answer in metric units.', 0.2, 0);
    const told = candidate('I always answer in metric units.', 0.4, 0);
    const byAssistant = candidate('Always check the units.', 0.3, 0, { role: 'assistant' });
    expect(ranked([...LIKE_AND_UNLIKE, standing, told, byAssistant])).toEqual([
      ['like', 0.9],
      ['Always answer in metric units.', 0.5],
      ['I always answer in metric units.', 0.4],
      ['Always check the units.', 0.3],
      ['unlike', 0],
    ]);
    expect(ranked([...LIKE_AND_UNLIKE, standing], { ...MINILM, mode: 'dense' })[1]?.[1]).toBe(0.2);
  });

  it('lifts no more than the best three of them, and none that no longer holds', () => {
    const many = [0.1, 0.2, 0.3, 0.4].map((cosine) => candidate(`Never use ${cosine} again.`, cosine, 0));
    const old = candidate('Always use imperial units.', 0.45, 0, supersededBy('gone'));
    const scores = new Map(ranked([...LIKE_AND_UNLIKE, ...many, old]));
    expect([...scores.values()]).toEqual([0.9, 0.7, 0.6, 0.5, 0.45, 0.1, 0]);
    expect(scores.get('Always use imperial units.')).toBe(0.45);
  });

  it('puts the newer first of two that are as good', () => {
    const candidates = [
      candidate('old', null, 2, { lastSeenAtMs: 1 }),
      candidate('new', null, 2, { lastSeenAtMs: 3 }),
      candidate('newer than old', null, 2, { lastSeenAtMs: 2 }),
    ];
    expect(ranked(candidates).map(([text]) => text)).toEqual(['new', 'newer than old', 'old']);
  });

  it('has nothing of nothing', () => {
    for (const options of [MINILM, OTHER]) expect(rankCandidates([], options)).toEqual([]);
  });
});
