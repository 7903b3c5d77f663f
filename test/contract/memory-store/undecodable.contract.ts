import { indexed, judgementOf, keep, search, textsFound, textsOf } from './memory-store.fixtures.js';
import type { MemoryStoreHarness, OpenedStore } from './memory-store.harness.js';

/** A record of user `ada`, to be made unreadable behind the adapter's back. */
export interface DamagedRecord {
  readonly kind: 'memory' | 'decision' | 'statistics';
  /** Its id; of statistics the model. */
  readonly id: string;
  /** `newer`: of a version of the program that is yet to come. */
  readonly how: 'newer' | 'garbled';
}

const vector = Float32Array.from([1, 0]);

/** What every adapter does about records that it cannot read. */
export function describeUndecodableRecords(makeHarness: () => Promise<MemoryStoreHarness>): void {
  describe.each(['newer', 'garbled'] as const)('records that cannot be read (%s)', (how) => {
    let harness: MemoryStoreHarness;
    let sut: OpenedStore;

    beforeEach(async () => {
      harness = await makeHarness();
      sut = await harness.open();
      await sut.claimSpace({ model: 'embedder', dimensions: 2 });
    });

    afterEach(async () => {
      await harness.dispose();
    });

    async function record(text: string): Promise<string> {
      const memory = indexed(text, vector);
      await sut.record(judgementOf(keep(memory)));
      return memory.memory.id;
    }

    it('are passed over, counted once and named; the others of the user are found', async () => {
      const damaged = await record('damaged');
      await record('sound');
      await harness.damage({ kind: 'memory', id: damaged, how });

      for (let time = 0; time < 2; time++) {
        expect(textsOf(await sut.list('ada', { limit: 10 }))).toEqual(['sound']);
        expect(textsFound(await search(sut, 'ada', vector))).toEqual(['sound']);
        expect(textsFound(await sut.candidates('ada', { terms: ['sound', 'damaged'], limit: 1 }))).toEqual(['sound']);
        expect(await sut.get('ada', damaged)).toBeUndefined();
      }

      expect(sut.undecodable.count).toBe(1);
      expect(sut.undecodable.last).toBe(`memory ${damaged}`);
      expect(await sut.delete('ada', damaged)).toBe(true);
    });

    it('take no place on a page, and none among the most similar', async () => {
      await record('oldest');
      for (let i = 0; i < 5; i++) await harness.damage({ kind: 'memory', id: await record(`damaged ${i}`), how });

      expect(textsOf(await sut.list('ada', { limit: 2 }))).toEqual(['oldest']);
      expect(await search(sut, 'ada', vector, { limit: 1 })).toHaveLength(1);
    });

    it('leave the other decisions', async () => {
      const ids = [await record('one'), await record('two'), await record('three')];
      await harness.damage({ kind: 'decision', id: ids[2]!, how });

      expect((await sut.decisions('ada', 2)).map(({ id }) => id)).toEqual([ids[1], ids[0]]);
      expect(sut.undecodable.last).toBe(`decision ${ids[2]}`);
      // The message is known all the same.
      expect(await sut.record(judgementOf(keep(indexed('three', vector, { id: ids[2]! }))))).toBe('known');
    });

    it('do not stop an embedding of all memories anew', async () => {
      const damaged = await record('damaged');
      await record('sound');
      await harness.damage({ kind: 'memory', id: damaged, how });
      await sut.reembedding.begin({ model: 'other', dimensions: 3 });

      for (let page = 0; ; page++) {
        const pending = await sut.reembedding.pending(1);
        if (pending.length === 0) break;
        expect(page).toBeLessThan(5);
        await sut.reembedding.put(pending.map((item) => ({ ...item, vector: Float32Array.from([0, 0, 1]) })));
      }
      await sut.reembedding.finish();

      expect(textsFound(await search(sut, 'ada', Float32Array.from([0, 0, 1])))).toEqual(['sound']);
    });
  });

  it('begins statistics anew where they cannot be read', async () => {
    const harness = await makeHarness();
    try {
      const sut = await harness.open();
      await sut.claimSpace({ model: 'embedder', dimensions: 2 });
      const statistics = [{ model: 'llm', decay: 1, addends: [1] }];
      await sut.record(judgementOf(keep(indexed('one', vector)), { statistics }));
      await harness.damage({ kind: 'statistics', id: 'llm', how: 'garbled' });

      expect(await sut.statistics('ada', 'llm')).toEqual([]);

      expect(sut.undecodable.last).toBe('statistics llm');
      expect(await sut.record(judgementOf(keep(indexed('two', vector)), { statistics }))).toBe('recorded');
      expect(await sut.statistics('ada', 'llm')).toEqual([1]);
    } finally {
      await harness.dispose();
    }
  });
}
