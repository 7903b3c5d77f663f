import type { Memory } from '../../../src/memory/memory.js';
import type { IndexedMemory } from '../../../src/memory/memory-store.port.js';
import { bytesOf } from '../../../src/memory/retention.js';
import {
  axis,
  indexed,
  judgementOf,
  keep,
  listAll,
  memoryOf,
  put,
  range,
  search,
  textsFound,
  textsOf,
} from './memory-store.fixtures.js';
import type { ContractContext } from './memory-store.harness.js';

export function describeRetention({ open }: ContractContext): void {
  describe('room', () => {
    const worth = (nats: number, more: Partial<Memory> = {}): IndexedMemory =>
      indexed(`worth ${nats}`, axis(0), { informationNats: nats, ...more });

    it('is made by what carries least information, old or new', async () => {
      const sut = await open({ maxMemories: 3 });
      for (const nats of [50, 10, 40]) await put(sut, [worth(nats)]);

      expect(await sut.put('ada', [worth(30)])).toMatchObject([{ status: 'new' }]);
      expect(textsOf(await listAll(sut, 'ada')).sort()).toEqual(['worth 30', 'worth 40', 'worth 50']);

      // The new one may be what goes.
      expect(await sut.record(judgementOf(keep(worth(20))))).toBe('recorded');
      expect(textsOf(await listAll(sut, 'ada')).sort()).toEqual(['worth 30', 'worth 40', 'worth 50']);
      expect(await sut.usage('ada')).toMatchObject({ memories: 3 });
    });

    it('takes vector and words of what goes with it', async () => {
      const sut = await open({ maxMemories: 1 });
      await put(sut, [worth(10)]);
      await put(sut, [worth(20)]);

      expect(textsFound(await search(sut, 'ada', axis(0)))).toEqual(['worth 20']);
      expect(await sut.candidates('ada', { terms: ['10'], limit: 5 })).toEqual([]);
      expect(await sut.findText('ada', worth(10).digest)).toBeUndefined();
    });

    it('leaves what was recalled rather than what was not', async () => {
      const sut = await open({ maxMemories: 2 });
      const recalled = worth(10);
      await put(sut, [recalled, worth(15)]);
      await sut.noteRecalled('ada', [recalled.memory.id], 1_790_000_002_000);
      await sut.noteRecalled('ada', [recalled.memory.id], 1_790_000_003_000);

      await put(sut, [worth(30)]);

      expect(textsOf(await listAll(sut, 'ada')).sort()).toEqual(['worth 10', 'worth 30']);
    });

    it('never takes what is pinned, also where that is more than there is room for', async () => {
      const sut = await open({ maxMemories: 2 });
      const [one, two] = [worth(1, { isPinned: true }), worth(2)];
      await put(sut, [one, two]);
      await sut.change('ada', two.memory.id, { isPinned: true });

      await put(sut, [worth(90)]);

      expect(textsOf(await listAll(sut, 'ada')).sort()).toEqual(['worth 1', 'worth 2']);
      expect(await sut.usage('ada')).toMatchObject({ memories: 2, pinned: 2 });
      await sut.change('ada', one.memory.id, { isPinned: false });
      await put(sut, [worth(91)]);
      expect(textsOf(await listAll(sut, 'ada')).sort()).toEqual(['worth 2', 'worth 91']);
    });

    it('is counted in bytes of text, context and metadata, too', async () => {
      const more = { context: 'Łódź', metadata: { tags: ['ü'] } };
      const each = bytesOf(memoryOf('worth 10', more));
      const sut = await open({ maxBytes: 2 * each });

      await put(sut, [worth(10, more), worth(30, more)]);
      expect(await sut.usage('ada')).toEqual({ memories: 2, bytes: 2 * each, pinned: 0, pinnedBytes: 0 });
      await put(sut, [worth(20, more)]);

      expect(textsOf(await listAll(sut, 'ada')).sort()).toEqual(['worth 20', 'worth 30']);
      expect(await sut.usage('ada')).toMatchObject({ memories: 2, bytes: 2 * each });
    });

    it('is made for metadata that grows', async () => {
      const sut = await open({ maxBytes: 100 });
      const grows = worth(20);
      await put(sut, [worth(10), grows]);

      await sut.change('ada', grows.memory.id, { metadata: { note: 'x'.repeat(75) } });

      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['worth 20']);
      expect((await sut.usage('ada')).bytes).toBeLessThanOrEqual(100);
    });

    it('is each user’s own', async () => {
      const sut = await open({ maxMemories: 2 });
      await put(sut, [worth(10, { userId: 'bob' })]);
      for (const nats of [20, 30, 40]) await put(sut, [worth(nats)]);

      expect(textsOf(await listAll(sut, 'bob'))).toEqual(['worth 10']);
      expect(textsOf(await listAll(sut, 'ada')).sort()).toEqual(['worth 30', 'worth 40']);
    });

    it('is enough for the best of those who put at once', async () => {
      const stores = [await open({ maxMemories: 10 }), await open({ maxMemories: 10 })];

      await Promise.all(range(40).map((i) => stores[i % 2]!.put('ada', [worth(i + 1)])));

      expect(await stores[0]!.usage('ada')).toMatchObject({ memories: 10 });
      const nats = (await listAll(stores[1]!, 'ada')).map(({ informationNats }) => informationNats);
      expect(nats.sort((a, b) => a! - b!)).toEqual(range(10).map((i) => i + 31));
    });
  });

  describe('usage', () => {
    it('is what there is, after whatever happens to it', async () => {
      const sut = await open();
      const [one, two] = [indexed('one'), indexed('twelve', axis(1), { isPinned: true })];
      await put(sut, [one, two]);
      const pinnedBytes = bytesOf(two.memory);
      expect(await sut.usage('ada')).toEqual({
        memories: 2,
        bytes: bytesOf(one.memory) + pinnedBytes,
        pinned: 1,
        pinnedBytes,
      });

      await sut.delete('ada', one.memory.id);
      expect(await sut.usage('ada')).toEqual({ memories: 1, bytes: pinnedBytes, pinned: 1, pinnedBytes });

      await sut.change('ada', two.memory.id, { isPinned: false });
      expect(await sut.usage('ada')).toEqual({ memories: 1, bytes: pinnedBytes, pinned: 0, pinnedBytes: 0 });

      await sut.forget('ada', 'mark');
      expect(await sut.usage('ada')).toEqual({ memories: 0, bytes: 0, pinned: 0, pinnedBytes: 0 });
    });
  });
}
