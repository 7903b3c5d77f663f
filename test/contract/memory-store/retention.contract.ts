import type { Memory } from '../../../src/memory/memory.js';
import type { IndexedMemory, MemoryStore } from '../../../src/memory/store/memory-store.port.js';
import { bytesOf } from '../../../src/memory/store/retention.js';
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

    /** Of the texts, each the newer version of the one before. */
    const putChain = async (sut: MemoryStore, ...versions: IndexedMemory[]): Promise<void> => {
      for (const [index, version] of versions.entries()) {
        const { memory } = version;
        const older = versions[index - 1]?.memory.id;
        const link = { atMs: memory.validFromMs, reason: 'changed', score: 0.9 } as const;
        await sut.put('ada', [{ ...version, ...(older !== undefined && { supersedes: { id: older, ...link } }) }]);
      }
    };
    const on = (day: number, nats: number, more: Partial<Memory> = {}): IndexedMemory =>
      worth(nats, { createdAtMs: 1_790_000_000_000 + day * 86_400_000, ...more });
    const holdingOf = async (sut: MemoryStore) =>
      (await listAll(sut, 'ada')).map(({ text, supersededBy }) => [text, supersededBy === null]);

    it('is made by what was superseded first before what supersedes it, whatever that is worth', async () => {
      const sut = await open({ maxMemories: 4 });
      await putChain(sut, on(1, 80), on(2, 90), on(3, 10));
      await put(sut, [on(4, 50)]);

      await put(sut, [on(5, 60)]);
      expect(await holdingOf(sut)).toEqual([
        ...[5, 4].map((day) => [`worth ${day * 10 + 10}`, true]),
        ['worth 10', true],
        ['worth 90', false],
      ]);
      await put(sut, [on(6, 70)]);
      await put(sut, [on(7, 75)]);

      expect(await holdingOf(sut)).toEqual([75, 70, 60, 50].map((nats) => [`worth ${nats}`, true]));
    });

    it('is made by the first of a chain where one of its middle is worth least', async () => {
      const sut = await open({ maxMemories: 3 });
      await putChain(sut, on(1, 80), on(2, 10), on(3, 90), on(4, 85));

      expect(await holdingOf(sut)).toEqual([
        ['worth 85', true],
        ['worth 90', false],
        ['worth 10', false],
      ]);
    });

    it('is made by the older version for a newer one that is worth less than all', async () => {
      const sut = await open({ maxMemories: 2 });
      await put(sut, [on(1, 50)]);

      await putChain(sut, on(2, 40), on(3, 5));

      expect(await holdingOf(sut)).toEqual([
        ['worth 5', true],
        ['worth 50', true],
      ]);
    });

    it('is the same where a judgement says what is superseded', async () => {
      const sut = await open({ maxMemories: 2 });
      const [old, now] = [on(2, 40), on(3, 5)];
      await put(sut, [on(1, 50), old]);
      const link = { id: old.memory.id, atMs: now.memory.validFromMs, reason: 'changed', score: 0.9 } as const;

      await sut.record(judgementOf(keep(now, { supersedes: link })));

      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['worth 5', 'worth 50']);
    });

    it('leaves what holds in the place of something pinned while anything else can go', async () => {
      const sut = await open({ maxMemories: 3 });
      await putChain(sut, on(1, 1, { isPinned: true }), on(2, 80), on(3, 2));

      await put(sut, [on(4, 50)]);
      await put(sut, [on(5, 60)]);

      expect(await holdingOf(sut)).toEqual([
        ['worth 60', true],
        ['worth 2', true],
        ['worth 1', false],
      ]);
      await sut.change('ada', (await listAll(sut, 'ada'))[0]!.id, { isPinned: true });
      await put(sut, [on(6, 1.5)]);
      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['worth 60', 'worth 2', 'worth 1']);
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
