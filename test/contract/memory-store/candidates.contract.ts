import { MemoryVectorError } from '../../../src/memory/memory.errors.js';
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
      await sut.beginReembedding(OTHER_SPACE);
      const pending = await sut.pendingReembedding(10);
      const items = [
        { ...pending[0]!, vector: axis(0, 6) },
        { ...pending[1]!, vector: bad },
      ];

      await expect(sut.putReembedded(items)).rejects.toThrow(MemoryVectorError);

      expect(await sut.reembeddingProgress()).toEqual({ total: 2, done: 0 });
      expect(await sut.pendingReembedding(10)).toHaveLength(2);
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
