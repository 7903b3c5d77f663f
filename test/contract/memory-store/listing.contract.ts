import { newId } from '../../../src/shared/index.js';
import { axis, idsOf, indexed, listAll, newestFirst, numbered, put, textsOf } from './memory-store.fixtures.js';
import type { ListPosition } from '../../../src/memory/store/memory-store.port.js';
import type { ContractContext } from './memory-store.harness.js';

export function describeListing({ open }: ContractContext): void {
  describe('listing', () => {
    it('gives the newest first, whatever the order they came in', async () => {
      const sut = await open();
      const memories = numbered(5);
      for (const index of [3, 0, 4, 1, 2]) await put(sut, [memories[index]!]);

      expect(textsOf(await listAll(sut, 'ada'))).toEqual([4, 3, 2, 1, 0].map((index) => `memory ${index}`));
    });

    it('goes by when they were created, also for what was imported later, and then by id', async () => {
      const sut = await open();
      const at = (createdAtMs: number, id: string) => indexed(id, axis(0), { createdAtMs, id });
      const newest = at(3_000, '01ARZ3NDEKTSV4RRFFQ69G5FAV');
      await put(sut, [at(2_000, 'b'), newest, at(1_000, 'z')]);
      await put(sut, [at(2_000, 'c'), at(2_000, 'a'), at(500, 'ÿ')]);

      const listed = ['01ARZ3NDEKTSV4RRFFQ69G5FAV', 'c', 'b', 'a', 'z', 'ÿ'];
      expect(idsOf(await listAll(sut, 'ada'))).toEqual(listed);
      const pages: string[] = [];
      for (let after: ListPosition | undefined; ;) {
        const page = await sut.list('ada', { limit: 2, ...(after && { after }) });
        if (page.length === 0) break;
        pages.push(...idsOf(page));
        after = page.at(-1);
      }
      expect(pages).toEqual(listed);
    });

    it('goes on after the last id seen, until there is nothing left', async () => {
      const sut = await open();
      const memories = numbered(7);
      await put(sut, memories);
      const pages: string[][] = [];

      let after: ListPosition | undefined;
      do {
        const page = await sut.list('ada', { limit: 3, ...(after === undefined ? {} : { after }) });
        pages.push(idsOf(page));
        after = page.at(-1);
      } while (after !== undefined);

      expect(pages.map((page) => page.length)).toEqual([3, 3, 1, 0]);
      expect(pages.flat()).toEqual(newestFirst(memories.map(({ memory }) => memory.id)));
    });

    it('goes on after an id that was deleted, or never was', async () => {
      const sut = await open();
      const [oldest, middle, newest] = numbered(3);
      await put(sut, [oldest!, middle!, newest!]);
      const later = { createdAtMs: newest!.memory.createdAtMs, id: newId() };
      await sut.delete('ada', middle!.memory.id);

      expect(textsOf(await sut.list('ada', { limit: 10, after: middle!.memory }))).toEqual(['memory 0']);
      expect(textsOf(await sut.list('ada', { limit: 1, after: later }))).toEqual(['memory 2']);
      expect(await sut.list('ada', { limit: 10, after: oldest!.memory })).toEqual([]);
    });

    it('has no gaps and no doubles while others put memories', async () => {
      const sut = await open();
      const other = await open();
      const memories = numbered(60);
      await put(sut, memories);
      const seen: string[] = [];

      const writing = (async () => {
        for (const memory of numbered(30)) await put(other, [memory]);
      })();
      let after: ListPosition | undefined;
      do {
        const page = await sut.list('ada', { limit: 4, ...(after === undefined ? {} : { after }) });
        seen.push(...idsOf(page));
        after = page.at(-1);
      } while (after !== undefined);
      await writing;

      expect(new Set(seen).size).toBe(seen.length);
      expect(seen).toEqual(newestFirst(seen));
      expect(seen).toEqual(expect.arrayContaining(memories.map(({ memory }) => memory.id)));
    });
  });
}
