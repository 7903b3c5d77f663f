import { MemoryVectorError } from '../../../src/memory/memory.errors.js';
import type { EmbeddingSpace } from '../../../src/memory/memory.js';
import {
  OTHER_SPACE,
  SPACE,
  axis,
  idsOf,
  indexed,
  listAll,
  nearest,
  numbered,
  put,
  reembedAll,
  search,
  textsFound,
  textsOf,
} from './memory-store.fixtures.js';
import type { ContractContext } from './memory-store.harness.js';

export function describeReembedding({ open, harness }: ContractContext): void {
  describe('its space', () => {
    it('belongs to the first who claims it', async () => {
      const first = await harness().open();
      const second = await harness().open();
      expect(await first.spaces()).toEqual({ current: undefined, next: undefined });

      expect(await first.claimSpace(SPACE)).toEqual({ current: SPACE, next: undefined });
      expect(await second.claimSpace(OTHER_SPACE)).toEqual({ current: SPACE, next: undefined });
      expect(await first.claimSpace(SPACE)).toEqual({ current: SPACE, next: undefined });

      expect(await second.spaces()).toEqual({ current: SPACE, next: undefined });
    });

    it('is agreed on by two who claim it at once', async () => {
      const stores = [await harness().open(), await harness().open()];

      const claimed = await Promise.all([
        stores[0]!.claimSpace(SPACE),
        stores[1]!.claimSpace(OTHER_SPACE),
        stores[0]!.claimSpace(OTHER_SPACE),
        stores[1]!.claimSpace(SPACE),
      ]);

      const agreed = await stores[0]!.spaces();
      expect([SPACE, OTHER_SPACE]).toContainEqual(agreed.current);
      for (const spaces of claimed) expect(spaces).toEqual(agreed);
    });

    it('is used by a process that was there before it was claimed', async () => {
      const early = await harness().open();
      expect(await search(early, 'ada', axis(0))).toEqual([]);

      await put(await open(), [indexed('kept')]);

      expect(textsFound(await search(early, 'ada', axis(0)))).toEqual(['kept']);
      expect(await early.put('ada', [indexed('more')])).toMatchObject([{ status: 'new' }]);
    });
  });

  describe('embedding anew', () => {
    it('has nothing pending where nothing was begun', async () => {
      const sut = await open();
      await put(sut, numbered(2));

      expect(await sut.reembedding.pending(10)).toEqual([]);
    });

    it('finds by the old vectors until it is finished, then by the new ones, in every process', async () => {
      const sut = await open();
      const other = await open();
      const [one, two] = [indexed('one', axis(0)), indexed('two', axis(1))];
      await put(sut, [one, two]);
      await put(sut, [indexed('three', axis(2))]);
      await search(other, 'ada', axis(0));
      const places: Record<string, number> = { one: 5, two: 4, three: 3 };

      await sut.reembedding.begin(OTHER_SPACE);
      await reembedAll(sut, ({ text }) => axis(places[text]!, 6));

      for (const store of [sut, other]) {
        expect((await nearest(store, 'ada', axis(0)))?.id).toBe(one.memory.id);
        await expect(nearest(store, 'ada', axis(0, 6))).rejects.toThrow(MemoryVectorError);
      }

      await sut.reembedding.finish();

      for (const store of [other, sut]) {
        expect(await store.spaces()).toEqual({ current: OTHER_SPACE, next: undefined });
        expect((await nearest(store, 'ada', axis(5, 6)))?.id).toBe(one.memory.id);
        const [first] = await search(store, 'ada', axis(3, 6));
        expect(first).toMatchObject({ memory: { text: 'three' }, cosine: expect.closeTo(1, 1) as number });
        expect(textsFound(await store.candidates('ada', { terms: ['two'], limit: 5 }))).toEqual(['two']);
        await expect(search(store, 'ada', axis(0))).rejects.toThrow(MemoryVectorError);
        await expect(store.put('ada', [indexed('old', axis(0))])).rejects.toThrow(MemoryVectorError);
      }
      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['three', 'two', 'one']);
      expect(await other.put('ada', [indexed('four', axis(2, 6))])).toMatchObject([{ status: 'new' }]);
      expect(textsFound(await search(sut, 'ada', axis(2, 6)))[0]).toBe('four');
      expect(await sut.delete('ada', two.memory.id)).toBe(true);
      expect((await nearest(sut, 'ada', axis(4, 6)))?.similarity).toBeLessThan(0.5);
      expect(await sut.reembedding.pending(10)).toEqual([]);
    });

    it('goes on where it was broken off', async () => {
      const sut = await open();
      await put(sut, numbered(4));
      await sut.reembedding.begin(OTHER_SPACE);
      const page = await sut.reembedding.pending(3);
      await sut.reembedding.put(page.map((item) => ({ ...item, vector: axis(0, 6) })));
      await harness().closeAll();

      const restarted = await harness().open();
      await restarted.reembedding.begin(OTHER_SPACE);

      expect(await restarted.reembedding.progress()).toEqual({ total: 4, done: 3 });
      const rest = await restarted.reembedding.pending(10);
      expect(rest).toHaveLength(1);
      expect(idsOf(page)).not.toContain(rest[0]?.id);
    });

    it('gives up a move to yet another space', async () => {
      const third: EmbeddingSpace = { model: 'embedder-c', dimensions: 5 };
      const sut = await open();
      await put(sut, numbered(3));
      await sut.reembedding.begin(OTHER_SPACE);
      const page = await sut.reembedding.pending(2);
      await sut.reembedding.put(page.map((item) => ({ ...item, vector: axis(0, 6) })));

      await sut.reembedding.begin(third);

      expect(await sut.spaces()).toEqual({ current: SPACE, next: third });
      expect(await sut.reembedding.progress()).toEqual({ total: 3, done: 0 });
      await reembedAll(sut, () => axis(4, 5));
      await sut.reembedding.finish();
      expect(await sut.spaces()).toEqual({ current: third, next: undefined });
      expect((await search(sut, 'ada', axis(4, 5))).filter(({ cosine }) => cosine! > 0.9)).toHaveLength(3);
    });

    it('may be done again, also back to the first space', async () => {
      const sut = await open();
      await put(sut, [indexed('kept', axis(0))]);
      for (const [space, place] of [
        [OTHER_SPACE, 1],
        [SPACE, 2],
      ] as const) {
        await sut.reembedding.begin(space);
        await reembedAll(sut, () => axis(place, space.dimensions));
        await sut.reembedding.finish();
      }

      expect((await nearest(sut, 'ada', axis(2)))?.similarity).toBeCloseTo(1, 1);
      expect(await sut.spaces()).toEqual({ current: SPACE, next: undefined });
    });

    it('may go to another model of as many dimensions', async () => {
      const space = { ...SPACE, model: 'embedder-b' };
      const sut = await open();
      await put(sut, [indexed('kept', axis(0))]);

      await sut.reembedding.begin(space);
      expect(await sut.reembedding.pending(10)).toHaveLength(1);
      await reembedAll(sut, () => axis(6));
      expect((await nearest(sut, 'ada', axis(0)))?.similarity).toBeCloseTo(1, 1);
      await sut.reembedding.finish();

      expect((await nearest(sut, 'ada', axis(6)))?.similarity).toBeCloseTo(1, 1);
      expect(await sut.spaces()).toEqual({ current: space, next: undefined });
    });

    it('passes over what was deleted meanwhile', async () => {
      const sut = await open();
      const memories = numbered(3);
      await put(sut, memories);
      await sut.reembedding.begin(OTHER_SPACE);
      const pending = await sut.reembedding.pending(10);
      await sut.delete('ada', memories[1]!.memory.id);

      await sut.reembedding.put(pending.map((item) => ({ ...item, vector: axis(0, 6) })));
      // Also when its new vector was there already.
      await sut.delete('ada', memories[2]!.memory.id);

      expect(await sut.reembedding.pending(10)).toEqual([]);
      expect(await sut.reembedding.progress()).toEqual({ total: 1, done: 1 });
      await sut.reembedding.finish();
      expect(textsFound(await search(sut, 'ada', axis(0, 6)))).toEqual(['memory 0']);
      expect(await sut.usage('ada')).toMatchObject({ memories: 1 });
    });

    it('may put a vector twice', async () => {
      const sut = await open();
      await put(sut, numbered(1));
      await sut.reembedding.begin(OTHER_SPACE);
      const pending = await sut.reembedding.pending(10);

      await sut.reembedding.put(pending.map((item) => ({ ...item, vector: axis(0, 6) })));
      await sut.reembedding.put(pending.map((item) => ({ ...item, vector: axis(1, 6) })));
      await sut.reembedding.put([]);

      expect(await sut.reembedding.progress()).toEqual({ total: 1, done: 1 });
      await sut.reembedding.finish();
      expect((await nearest(sut, 'ada', axis(1, 6)))?.similarity).toBeCloseTo(1, 1);
      expect(await search(sut, 'ada', axis(1, 6))).toHaveLength(1);
    });

    it('works in an empty store', async () => {
      const sut = await harness().open();

      await sut.reembedding.begin(OTHER_SPACE);
      expect(await sut.reembedding.pending(10)).toEqual([]);
      expect(await sut.reembedding.progress()).toEqual({ total: 0, done: 0 });
      await sut.reembedding.finish();

      expect(await sut.spaces()).toEqual({ current: OTHER_SPACE, next: undefined });
      expect(await sut.put('ada', [indexed('first', axis(0, 6))])).toMatchObject([{ status: 'new' }]);
    });

    it('may be finished twice', async () => {
      const sut = await open();
      await put(sut, numbered(1));
      await sut.reembedding.begin(OTHER_SPACE);
      await reembedAll(sut, () => axis(0, 6));

      await sut.reembedding.finish();
      await sut.reembedding.finish();

      expect(await sut.spaces()).toEqual({ current: OTHER_SPACE, next: undefined });
      expect(await search(sut, 'ada', axis(0, 6))).toHaveLength(1);
    });
  });
}
