import type { IndexedMemory } from '../../../src/memory/store/memory-store.port.js';
import { axis, idsOf, indexed, listAll, numbered, put, range, textsFound } from './memory-store.fixtures.js';
import type { ContractContext, OpenedStore } from './memory-store.harness.js';

export function describeReindexing({ open, harness }: ContractContext): void {
  describe('indexing words anew', () => {
    async function reindexAll(store: OpenedStore, pageSize = 100): Promise<number> {
      for (let count = 0; ;) {
        const pending = await store.reindexing.pending(pageSize);
        if (pending.length === 0) return count;
        await store.reindexing.put(pending.map((memory) => ({ ...indexed(memory.text), memory })));
        count += pending.length;
      }
    }

    async function leaveUnindexed(store: OpenedStore, memories: readonly IndexedMemory[]): Promise<void> {
      await put(store, memories);
      for (const { memory } of memories) await harness().unindex(memory.id);
    }

    it('has nothing to do where everything is indexed', async () => {
      const sut = await open();
      await put(sut, numbered(2));

      expect(await sut.reindexing.pending(10)).toEqual([]);
      expect(await sut.reindexing.progress()).toEqual({ total: 2, done: 2 });
    });

    it('has what an older release left be found by its words, in pages', async () => {
      const sut = await open();
      await leaveUnindexed(sut, numbered(5));
      await put(sut, [indexed('new one')]);
      expect(await sut.reindexing.progress()).toEqual({ total: 6, done: 1 });

      const pages = range(3).map(() => 2);
      for (const size of pages) {
        const pending = await sut.reindexing.pending(size);
        await sut.reindexing.put(pending.map((memory) => ({ ...indexed(memory.text), memory })));
      }

      expect(await sut.reindexing.pending(10)).toEqual([]);
      expect(await sut.reindexing.progress()).toEqual({ total: 6, done: 6 });
      const found = await sut.candidates('ada', { terms: ['memory', '3'], limit: 10 });
      expect(found).toHaveLength(5);
      expect(textsFound(found.filter(({ matchedTerms }) => matchedTerms.includes('3')))).toEqual(['memory 3']);
    });

    it('lets memories be found by vector, listed and deleted before it is done', async () => {
      const sut = await open();
      const [one, two] = numbered(2);
      await leaveUnindexed(sut, [one!, two!]);

      expect(textsFound(await sut.candidates('ada', { vector: axis(0), terms: ['2'], limit: 1 }))).toEqual([
        'memory 0',
      ]);
      const filter = { includeQuestions: false, includeSuperseded: false };
      expect(await sut.candidates('ada', { vector: axis(0), limit: 10, filter })).toHaveLength(2);
      expect(await listAll(sut, 'ada')).toHaveLength(2);
      const [first] = await sut.list('ada', { limit: 1 });
      const rest = await sut.list('ada', { limit: 5, after: { createdAtMs: first!.createdAtMs, id: first!.id } });
      expect(idsOf([first!, ...rest]).sort()).toEqual(idsOf([one!.memory, two!.memory]).sort());
      expect(await sut.delete('ada', one!.memory.id)).toBe(true);

      expect(await reindexAll(sut)).toBe(1);
      expect(await sut.reindexing.progress()).toEqual({ total: 1, done: 1 });
    });

    it('has the same text be known, and counts it with the rest', async () => {
      const sut = await open();
      const old = indexed('said before', axis(0), { createdAtMs: 1_000 });
      await leaveUnindexed(sut, [old]);
      await put(sut, [indexed('said later', axis(1), { createdAtMs: 500 })]);

      await reindexAll(sut, 1);

      expect(await sut.put('ada', [indexed('Said  before')])).toEqual([{ status: 'duplicate', id: old.memory.id }]);
      expect((await listAll(sut, 'ada')).map(({ text, count }) => [text, count])).toEqual([
        ['said before', 2],
        ['said later', 1],
      ]);
      expect((await sut.usage('ada')).bytes).toBe(2 * 2 + 'said before'.length + 'said later'.length);
    });

    it('goes on where it was broken off, and passes over what was deleted meanwhile', async () => {
      const sut = await open();
      const memories = numbered(4);
      await leaveUnindexed(sut, memories);
      const pending = await sut.reindexing.pending(10);
      expect(pending).toHaveLength(4);
      await sut.delete('ada', pending[0]!.id);
      await sut.reindexing.put(pending.slice(0, 2).map((memory) => ({ ...indexed(memory.text), memory })));
      await harness().closeAll();

      const restarted = await harness().open();

      expect(await restarted.reindexing.progress()).toEqual({ total: 3, done: 1 });
      expect(await reindexAll(restarted)).toBe(2);
      expect(await restarted.candidates('ada', { terms: ['memory'], limit: 10 })).toHaveLength(3);
    });

    it('may be done twice, and replaces the terms', async () => {
      const sut = await open();
      const one = indexed('one');
      await put(sut, [one]);
      const { memory, digest } = one;

      for (const terms of [['two'], ['two', 'three', 'two']]) await sut.reindexing.put([{ memory, digest, terms }]);

      expect(await sut.candidates('ada', { terms: ['one'], limit: 5 })).toEqual([]);
      expect(await sut.candidates('ada', { terms: ['two', 'three'], limit: 5 })).toHaveLength(1);
      expect(await sut.usage('ada')).toMatchObject({ memories: 1, bytes: 5 });
      expect(await sut.delete('ada', memory.id)).toBe(true);
      expect(await sut.candidates('ada', { terms: ['two', 'three'], limit: 5 })).toEqual([]);
    });
  });
}
