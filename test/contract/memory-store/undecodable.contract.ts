import type { Decision, Memory } from '../../../src/memory/memory.js';
import type { EmbeddedMemory, Judgement, MemoryStore } from '../../../src/memory/memory-store.port.js';
import { newId } from '../../../src/shared/index.js';
import type { MemoryStoreHarness } from './memory-store.harness.js';

/** A record of user `ada`, to be made unreadable behind the adapter's back. */
export interface DamagedRecord {
  readonly kind: 'memory' | 'shadow' | 'decision' | 'statistics';
  /** Its id; of statistics the model. */
  readonly id: string;
  /** `newer`: of a version of the program that is yet to come. */
  readonly how: 'newer' | 'garbled';
}

const vector = Float32Array.from([1, 0]);
const everything = { limit: 10, minSimilarity: -1, includeShadow: true };

function embedded(text: string): EmbeddedMemory {
  const numbers = { perplexity: 33.1, avgLogprob: -3.4, novelty: 0.5, surprise: 0.75, model: 'llm' };
  const memory: Memory = {
    ...{ id: newId(), text, userId: 'ada', sessionId: null, role: 'user', createdAtMs: 1, ...numbers },
    ...{ source: 'worker', metadata: {}, count: 1, lastSeenAtMs: 1 },
  };
  return { memory, vector };
}

function judgementOf(memory: EmbeddedMemory, expiresAtMs?: number): Judgement {
  const { id } = memory.memory;
  const decision: Decision = {
    ...{ id, userId: 'ada', sessionId: null, decidedAtMs: 1, model: 'llm', perplexity: 33.1, informationNats: 1 },
    ...{ contextual: false, plainPerplexity: null, novelty: 0.5, nearestId: null, surprise: 0.75, threshold: 0.7 },
    ...{ mode: 'fixed', kept: expiresAtMs === undefined, reason: 'because' },
  };
  const effect =
    expiresAtMs === undefined
      ? ({ kind: 'keep', memory } as const)
      : ({ kind: 'shadow', memory, expiresAtMs } as const);
  return { decision, forgetMark: '', effect, statistics: [{ model: 'llm', decay: 1, addends: [1] }] };
}

/** What every adapter does about records that it cannot read. */
export function describeUndecodableRecords(makeHarness: () => Promise<MemoryStoreHarness>): void {
  describe.each(['newer', 'garbled'] as const)('records that cannot be read (%s)', (how) => {
    let harness: MemoryStoreHarness;
    let sut: MemoryStore;

    beforeEach(async () => {
      harness = await makeHarness();
      sut = await harness.open();
      await sut.claimSpace({ model: 'embedder', dimensions: 2 });
    });

    afterEach(async () => {
      await harness.dispose();
    });

    async function record(text: string, expiresAtMs?: number): Promise<string> {
      const memory = embedded(text);
      await sut.record(judgementOf(memory, expiresAtMs));
      return memory.memory.id;
    }
    const textsOf = (memories: readonly Memory[]): string[] => memories.map(({ text }) => text);

    it('are passed over, counted once and named; the others of the user are found', async () => {
      const damaged = await record('damaged');
      await record('sound');
      await harness.damage({ kind: 'memory', id: damaged, how });

      for (let time = 0; time < 2; time++) {
        expect(textsOf(await sut.list('ada', { limit: 10 }))).toEqual(['sound']);
        expect((await sut.search('ada', vector, everything)).map(({ memory }) => memory.text)).toEqual(['sound']);
        expect(await sut.get('ada', damaged)).toBeUndefined();
        expect(await sut.nearest('ada', vector)).toBeDefined();
      }

      expect(sut.undecodable.count).toBe(1);
      expect(sut.undecodable.last).toBe(`memory ${damaged}`);
      expect(await sut.delete('ada', damaged)).toBe(true);
    });

    it('take no place on a page, and none among the most similar', async () => {
      await record('oldest');
      for (let i = 0; i < 5; i++) await harness.damage({ kind: 'memory', id: await record('damaged'), how });

      expect(textsOf(await sut.list('ada', { limit: 2 }))).toEqual(['oldest']);
      expect(await sut.search('ada', vector, { ...everything, limit: 1 })).toHaveLength(1);
    });

    it('of the shadow buffer are not promoted', async () => {
      const id = await record('waiting', Date.now() + 3_600_000);
      await harness.damage({ kind: 'shadow', id, how });

      expect(await sut.search('ada', vector, everything)).toEqual([]);
      expect(sut.undecodable.last).toBe(`memory ${id}`);
    });

    it('leave the other decisions', async () => {
      const ids = [await record('one'), await record('two'), await record('three')];
      await harness.damage({ kind: 'decision', id: ids[2]!, how });

      expect((await sut.decisions('ada', 2)).map(({ id }) => id)).toEqual([ids[1], ids[0]]);
      expect(sut.undecodable.last).toBe(`decision ${ids[2]}`);
      // The message is known all the same.
      expect(
        await sut.record(judgementOf({ ...embedded('three'), memory: { ...embedded('').memory, id: ids[2]! } })),
      ).toBe('known');
    });

    it('do not stop an embedding of all memories anew', async () => {
      const damaged = await record('damaged');
      await record('sound');
      await harness.damage({ kind: 'memory', id: damaged, how });
      await sut.beginReembedding({ model: 'other', dimensions: 3 });

      for (let page = 0; ; page++) {
        const pending = await sut.pendingReembedding(1);
        if (pending.length === 0) break;
        expect(page).toBeLessThan(5);
        await sut.putReembedded(pending.map((item) => ({ ...item, vector: Float32Array.from([0, 0, 1]) })));
      }
      await sut.finishReembedding();

      const found = await sut.search('ada', Float32Array.from([0, 0, 1]), everything);
      expect(found.map(({ memory }) => memory.text)).toEqual(['sound']);
    });
  });

  it('begins statistics anew where they cannot be read', async () => {
    const harness = await makeHarness();
    try {
      const sut = await harness.open();
      await sut.claimSpace({ model: 'embedder', dimensions: 2 });
      await sut.record(judgementOf(embedded('one')));
      await harness.damage({ kind: 'statistics', id: 'llm', how: 'garbled' });

      expect(await sut.statistics('ada', 'llm')).toEqual([]);

      expect(sut.undecodable.last).toBe('statistics llm');
      expect(await sut.record(judgementOf(embedded('two')))).toBe('recorded');
      expect(await sut.statistics('ada', 'llm')).toEqual([1]);
    } finally {
      await harness.dispose();
    }
  });
}
