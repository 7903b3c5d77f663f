import { MemoryVectorError } from '../../../src/memory/memory.errors.js';
import type { Memory } from '../../../src/memory/memory.js';
import type { Candidate, IndexedMemory } from '../../../src/memory/store/memory-store.port.js';
import {
  BAD_VECTORS,
  OTHER_SPACE,
  TOLERANCE,
  axis,
  indexed,
  judgementOf,
  keep,
  nearest,
  numbered,
  put,
  range,
  search,
  textsFound,
  tilted,
} from './memory-store.fixtures.js';
import type { ContractContext } from './memory-store.harness.js';

export function describeCandidates({ open, harness }: ContractContext): void {
  describe('searching', () => {
    /** Similarities to axis 0: 1, 0.8, 0.6 … -0.8. */
    const ladder = [1, 0.8, 0.6, 0.4, 0.2, 0, -0.2, -0.4, -0.6, -0.8];
    const rungs = ladder.map((similarity, index) =>
      indexed(String(similarity), tilted(0, 1 + (index % 7), similarity)),
    );

    it('gives the most similar first, with their similarities', async () => {
      const sut = await open();
      await put(sut, [...rungs].reverse());

      const found = await search(sut, 'ada', axis(0));

      expect(textsFound(found)).toEqual(ladder.map(String));
      for (const [index, { cosine, bm25, matchedTerms }] of found.entries()) {
        expect(Math.abs(cosine! - ladder[index]!)).toBeLessThan(TOLERANCE);
        expect(cosine).toBeLessThanOrEqual(1);
        expect([bm25, matchedTerms]).toEqual([null, []]);
      }
    });

    it('gives no more than the limit, and all there is when the limit is larger', async () => {
      const sut = await open();
      await put(sut, rungs);

      expect(textsFound(await search(sut, 'ada', axis(0), { limit: 3 }))).toEqual(['1', '0.8', '0.6']);
      expect(await search(sut, 'ada', axis(0), { limit: 10_000 })).toHaveLength(ladder.length);
    });

    it('finds nothing where the user has nothing', async () => {
      const sut = await open();

      expect(await search(sut, 'ada', axis(0))).toEqual([]);
      expect(await nearest(sut, 'ada', axis(0))).toBeUndefined();
    });

    it('finds the right ones among many', async () => {
      const sut = await open();
      const many = range(300).map((i) => indexed(`crowd ${i}`, tilted(1 + (i % 7), 1 + ((i + 1 + (i % 5)) % 7), 0.9)));
      await put(sut, [...many.slice(0, 150), indexed('needle', tilted(0, 3, 0.95)), ...many.slice(150)]);

      const found = await search(sut, 'ada', axis(0), { limit: 1 });

      expect(textsFound(found)).toEqual(['needle']);
    });
  });

  describe('searching by words', () => {
    // As they are, also in upper case.
    const withTerms = (text: string, more: Partial<Memory> = {}): IndexedMemory => ({
      ...indexed(text, axis(3), more),
      terms: text.split(' '),
    });

    it('gives the best by BM25 with exact scores, and which terms each has', async () => {
      const sut = await open();
      const texts = ['tea', 'tea tea tea tea tea milk', 'green tea with milk and sugar', 'coffee', 'milk milk'];
      await put(
        sut,
        texts.map((text) => withTerms(text)),
      );

      const found = byScore(await sut.candidates('ada', { terms: ['tea', 'milk', 'honey'], limit: 10 }));

      const expected = texts.map((text) => ({ text, bm25: bm25Of(text.split(' '), ['tea', 'milk', 'honey'], texts) }));
      const best = expected.filter(({ bm25 }) => bm25 > 0).sort((a, b) => b.bm25 - a.bm25);
      expect(found.map(({ memory: { text }, bm25 }) => ({ text, bm25 }))).toEqual(
        best.map(({ text, bm25 }) => ({ text, bm25: expect.closeTo(bm25, 6) as number })),
      );
      for (const { memory, cosine, matchedTerms } of found) {
        expect(cosine).toBeNull();
        expect([...matchedTerms].sort()).toEqual(['milk', 'tea'].filter((term) => memory.text.includes(term)));
      }
    });

    it('tells a rare term from a common one in the smallest of stores', async () => {
      const sut = await open();
      await put(
        sut,
        ['lisbon flight', 'tea flight', 'flight'].map((text) => withTerms(text)),
      );

      const found = byScore(await sut.candidates('ada', { terms: ['flight', 'lisbon'], limit: 3 }));

      expect(found[0]).toMatchObject({ memory: { text: 'lisbon flight' } });
      expect(found.every(({ bm25 }) => bm25! > 0)).toBe(true);
    });

    it('goes by the memories of the user alone, however many others have', async () => {
      const sut = await open();
      const texts = ['tea milk', 'tea sugar', 'coffee'];
      const scores = async (): Promise<(number | null)[]> =>
        byScore(await sut.candidates('ada', { terms: ['tea', 'milk'], limit: 10 })).map(({ bm25 }) => bm25);
      await put(
        sut,
        texts.map((text) => withTerms(text)),
      );
      const alone = await scores();

      for (const i of range(5)) {
        const userId = `other ${i}`;
        await put(
          sut,
          range(20).map((j) => withTerms(`milk milk ${j}`, { userId })),
        );
      }

      expect(await scores()).toEqual(alone);
      expect(alone).toEqual(
        ['tea milk', 'tea sugar'].map((text): unknown =>
          expect.closeTo(bm25Of(text.split(' '), ['tea', 'milk'], texts), 6),
        ),
      );
    });

    it.each([
      ['times and numbers', ['10:15', '16:45', '3.5', '-7', '50%']],
      ['marks', ['"', "'", '*', '^', '(', '{}', '\\', 'a"b', "it's", 'NEAR', 'a*', '+']],
      ['names of users and levels', ['1:tea', '1>1:tea', '1.0:tea', '2']],
      ['other scripts', ['чай', '緑茶', 'ชา', 'ሻይ', '🍵', 'é', 'शहर']],
    ])('keeps terms whole and apart: %s', async (_, terms) => {
      const sut = await open();
      await put(
        sut,
        terms.map((term) => withTerms(term)),
      );
      await put(sut, [withTerms('tea tea')]);

      for (const term of terms) {
        const found = await sut.candidates('ada', { terms: [term], limit: 10 });
        expect(found.map(({ memory, matchedTerms }) => [memory.text, matchedTerms])).toEqual([[term, [term]]]);
      }
    });

    it('counts a term as often as it comes', async () => {
      const sut = await open();
      const counts = [1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 100];
      const texts = counts.map((count) => [...Array<string>(count).fill('tea'), `cup${count}`].join(' '));
      await put(
        sut,
        texts.map((text) => withTerms(text)),
      );

      const found = await sut.candidates('ada', { terms: ['tea'], limit: 20 });

      expect(found).toHaveLength(counts.length);
      for (const { memory, bm25 } of found) expect(bm25).toBeCloseTo(bm25Of(memory.text.split(' '), ['tea'], texts), 6);
    });

    it('finds nothing by terms that nobody has, by none, and where the user has nothing', async () => {
      const sut = await open();
      expect(await sut.candidates('ada', { terms: ['tea'], limit: 10 })).toEqual([]);
      await put(sut, [withTerms('tea')]);

      expect(await sut.candidates('ada', { terms: ['te', 'teas'], limit: 10 })).toEqual([]);
      expect(await sut.candidates('ada', { terms: [], limit: 10 })).toEqual([]);
      expect(await sut.candidates('ada', { limit: 10 })).toEqual([]);
      expect(await sut.candidates('bob', { terms: ['tea'], limit: 10 })).toEqual([]);
    });

    it('finds what is found by neither alone, with both numbers for all', async () => {
      const sut = await open();
      const near = indexed('near', axis(0));
      const far = indexed('far away', tilted(0, 1, -0.5));
      await put(sut, [
        near,
        far,
        ...range(10).map((i) => indexed(`between ${i}`, tilted(0, 2 + (i % 5), 0.5 - i / 50))),
      ]);

      const found = await sut.candidates('ada', { vector: axis(0), terms: ['away'], limit: 1 });

      expect(found.map(({ memory }) => memory.text).sort()).toEqual(['far away', 'near']);
      for (const { memory, cosine, bm25, matchedTerms } of found) {
        const isFar = memory.text === 'far away';
        expect(Math.abs(cosine! - (isFar ? -0.5 : 1))).toBeLessThan(TOLERANCE);
        expect(bm25! > 0).toBe(isFar);
        expect(matchedTerms).toEqual(isFar ? ['away'] : []);
      }
    });
  });

  describe('vectors', () => {
    it.each(BAD_VECTORS)('are refused before anything is written: %s', async (_, bad) => {
      const sut = await open();
      await sut.record(judgementOf(keep(indexed('kept', axis(1)))));
      const statistics = [{ model: 'llm-a', decay: 1, addends: [1] }];

      const calls = [
        () => sut.put('ada', [indexed('good'), indexed('bad', bad), indexed('good')]),
        () => sut.record(judgementOf(keep(indexed('bad', bad)), { statistics })),
        () => sut.candidates('ada', { vector: bad, limit: 1 }),
        () => sut.candidates('ada', { vector: bad, terms: ['kept'], limit: 1 }),
        () => sut.replace('ada', 'nothing', indexed('bad', bad)),
      ];
      for (const call of calls) await expect(call()).rejects.toThrow(MemoryVectorError);

      expect(await sut.usage('ada')).toMatchObject({ memories: 1 });
      expect(textsFound(await search(sut, 'ada', axis(0)))).toEqual(['kept']);
      expect(await sut.decisions('ada', 10)).toHaveLength(1);
      expect(await sut.statistics('ada', 'llm-a')).toEqual([]);
    });

    it.each(BAD_VECTORS)('are refused for the next space just the same: %s', async (_, bad) => {
      const sut = await open();
      await put(sut, numbered(2));
      // Other dimensions than those of any bad vector.
      await sut.reembedding.begin(OTHER_SPACE);
      const pending = await sut.reembedding.pending(10);
      const items = [
        { ...pending[0]!, vector: axis(0, 6) },
        { ...pending[1]!, vector: bad },
      ];

      await expect(sut.reembedding.put(items)).rejects.toThrow(MemoryVectorError);

      expect(await sut.reembedding.progress()).toEqual({ total: 2, done: 0 });
      expect(await sut.reembedding.pending(10)).toHaveLength(2);
    });

    it('have no place in a store without a space, where none can be found either', async () => {
      const sut = await harness().open();

      await expect(sut.put('ada', [indexed('early')])).rejects.toThrow(MemoryVectorError);
      await expect(sut.record(judgementOf(keep(indexed('early'))))).rejects.toThrow(MemoryVectorError);

      expect(await search(sut, 'ada', axis(0))).toEqual([]);
      expect(await nearest(sut, 'ada', axis(0))).toBeUndefined();
      expect(await sut.decisions('ada', 10)).toEqual([]);
    });
  });
}

const byScore = (found: Candidate[]): Candidate[] => found.sort((a, b) => (b.bm25 ?? 0) - (a.bm25 ?? 0));

/** As the port says: k1 1.2, b 0.75. */
function bm25Of(document: readonly string[], query: readonly string[], texts: readonly string[]): number {
  const documents = texts.map((text) => text.split(' '));
  const average = documents.reduce((sum, { length }) => sum + length, 0) / documents.length;
  return query.reduce((score, term) => {
    const n = documents.filter((one) => one.includes(term)).length;
    const count = document.filter((one) => one === term).length;
    const idf = Math.log(1 + (documents.length - n + 0.5) / (n + 0.5));
    return score + (idf * count * 2.2) / (count + 1.2 * (0.25 + (0.75 * document.length) / average));
  }, 0);
}
