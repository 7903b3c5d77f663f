import type { MemoryFilter, MemoryStore } from '../../../src/memory/store/memory-store.port.js';
import {
  axis,
  indexed,
  judgementOf,
  keep,
  listAll,
  put,
  range,
  search,
  textsFound,
  textsOf,
  tilted,
} from './memory-store.fixtures.js';
import type { ContractContext } from './memory-store.harness.js';

export function describeFilters({ open }: ContractContext): void {
  describe('filters', () => {
    it('find the few that they leave among very many, by vector and by words', async () => {
      const sut = await open();
      const crowd = range(600).map((i) => indexed(`crowd ${i} tea`, tilted(0, 1 + (i % 7), 0.9), { sessionId: 's-1' }));
      const few = range(5).map((i) => indexed(`few ${i} and tea`, tilted(0, 1, -0.9), { sessionId: 's-2' }));
      await put(sut, [...crowd.slice(0, 300), ...few, ...crowd.slice(300)]);
      const filter = { sessionId: 's-2' };

      for (const query of [{ vector: axis(0) }, { terms: ['tea'] }, { vector: axis(0), terms: ['tea'] }]) {
        const found = await sut.candidates('ada', { ...query, limit: 10, filter });
        expect(textsFound(found).sort()).toEqual(few.map(({ memory }) => memory.text));
      }
    });

    const texts = async (store: MemoryStore, filter: MemoryFilter): Promise<string[]> => {
      const listed = textsOf(await store.list('ada', { limit: 100, filter })).sort();
      for (const query of [{ vector: axis(0) }, { terms: ['tea'] }]) {
        expect(textsFound(await store.candidates('ada', { ...query, limit: 100, filter })).sort()).toEqual(listed);
      }
      return listed;
    };

    it('go by session, role, source, time and kind', async () => {
      const sut = await open();
      await put(sut, [
        indexed('a tea', axis(0), { createdAtMs: 1_000, sessionId: null, source: 'manual' }),
        indexed('b tea', axis(0), { createdAtMs: 2_000, role: 'assistant' }),
        indexed('c tea', axis(0), { createdAtMs: 3_000, isQuestion: true }),
      ]);

      expect(await texts(sut, {})).toEqual(['a tea', 'b tea', 'c tea']);
      expect(await texts(sut, { sessionId: 's-1' })).toEqual(['b tea', 'c tea']);
      expect(await texts(sut, { role: 'assistant' })).toEqual(['b tea']);
      expect(await texts(sut, { source: 'manual' })).toEqual(['a tea']);
      expect(await texts(sut, { sinceMs: 2_000 })).toEqual(['b tea', 'c tea']);
      expect(await texts(sut, { untilMs: 2_000 })).toEqual(['a tea']);
      expect(await texts(sut, { includeQuestions: false })).toEqual(['a tea', 'b tea']);
      expect(await texts(sut, { sinceMs: 2_000, includeQuestions: false, role: 'user' })).toEqual([]);
    });

    it('go by what is pinned', async () => {
      const sut = await open();
      const [one, two] = [indexed('a tea', axis(0), { isPinned: true }), indexed('b tea')];
      await put(sut, [one, two]);

      expect(await texts(sut, { isPinned: true })).toEqual(['a tea']);
      expect(await texts(sut, { isPinned: false })).toEqual(['b tea']);
      await sut.change('ada', one.memory.id, { isPinned: false });
      await sut.change('ada', two.memory.id, { isPinned: true });
      expect(await texts(sut, { isPinned: true, role: 'user' })).toEqual(['b tea']);
    });

    it('go by fields of the metadata, of the type they are given in', async () => {
      const sut = await open();
      const fields: Record<string, unknown>[] = [
        { place: 'Łódź', 'a.b "c"': 1 },
        { place: 'lodz', n: 1 },
        { n: 1.5, yes: true, none: null },
        { n: '1', yes: 'true', deep: { place: 'Łódź' } },
        {},
      ];
      await put(
        sut,
        fields.map((metadata, i) => indexed(`${i} tea`, axis(0), { metadata })),
      );
      const found = async (metadata: MemoryFilter['metadata']): Promise<string> =>
        (await texts(sut, metadata ? { metadata } : {})).map((text) => text[0]).join('');

      expect(await found({ place: 'Łódź' })).toBe('0');
      expect(await found({ 'a.b "c"': 1 })).toBe('0');
      expect(await found({ n: 1 })).toBe('1');
      expect(await found({ n: 1.5, yes: true })).toBe('2');
      expect(await found({ n: '1' })).toBe('3');
      expect(await found({ none: null })).toBe('2');
      expect(await found({ yes: false })).toBe('');
    });

    it('leave out what no longer holds, and see the memories as they were at a time', async () => {
      const sut = await open();
      await put(sut, [indexed('old tea', axis(0), { createdAtMs: 1_000 })]);
      const [old] = await listAll(sut, 'ada');
      await sut.record(
        judgementOf(
          keep(indexed('new tea', axis(0), { createdAtMs: 2_000 }), {
            supersedes: { id: old!.id, atMs: 2_000, reason: 'changed', score: 0.9 },
          }),
        ),
      );

      expect(await texts(sut, { includeSuperseded: true })).toEqual(['new tea', 'old tea']);
      expect(await texts(sut, { includeSuperseded: false })).toEqual(['new tea']);
      expect(await texts(sut, { includeSuperseded: false, asOfMs: 1_999 })).toEqual(['old tea']);
      expect(await texts(sut, { includeSuperseded: false, asOfMs: 2_000 })).toEqual(['new tea']);
      const [then] = await sut.candidates('ada', { vector: axis(0), limit: 5, filter: { asOfMs: 1_999 } });
      expect(then?.memory).toMatchObject({ text: 'old tea', supersededBy: null });
      const now = await search(sut, 'ada', axis(0));
      expect(now.map(({ memory }) => memory.supersededBy?.reason ?? null).sort()).toEqual(['changed', null]);
    });
  });
}
