import { newId } from '../../../src/shared/index.js';
import type { Judgement, MemoryStore } from '../../../src/memory/memory-store.port.js';
import {
  axis,
  expectNumbers,
  indexed,
  judgementOf,
  keep,
  listAll,
  put,
  range,
  search,
  textsFound,
  textsOf,
} from './memory-store.fixtures.js';
import type { ContractContext } from './memory-store.harness.js';

export function describeRecording({ open }: ContractContext): void {
  describe('recording', () => {
    it('keeps the memory and the decision', async () => {
      const sut = await open();
      const judgement = judgementOf(keep(indexed('kept')), {
        statistics: [{ model: 'llm-a', decay: 0.5, addends: [1, 2] }],
      });

      expect(await sut.record(judgement)).toBe('recorded');

      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['kept']);
      expect(textsFound(await search(sut, 'ada', axis(0)))).toEqual(['kept']);
      expect(await sut.decisions('ada', 10)).toEqual([judgement.decision]);
      expect(await sut.statistics('ada', 'llm-a')).toEqual([1, 2]);
    });

    it('returns every field of a decision as it was given', async () => {
      const sut = await open();
      const { decision } = judgementOf(keep(indexed('kept')), {
        decision: {
          sessionId: null,
          model: null,
          perplexity: null,
          contextual: false,
          plainPerplexity: null,
          nearestId: '{x} y:z',
          mode: 'adaptive',
          novelty: 1e-300,
          surprise: 1 / 3,
        },
      });

      await sut.record({ ...judgementOf(keep(indexed('kept'))), decision });

      expect(await sut.decisions('ada', 10)).toEqual([decision]);
    });

    it('leaves a memory that is there already as it is', async () => {
      const sut = await open();
      const memory = indexed('first', axis(0));
      await put(sut, [memory]);

      const again = indexed('again', axis(1), { id: memory.memory.id });
      expect(await sut.record(judgementOf(keep(again)))).toBe('recorded');

      expect(textsFound(await search(sut, 'ada', axis(0)))).toEqual(['first']);
    });

    it('counts a memory that was said once more', async () => {
      const sut = await open();
      const { memory, vector } = indexed('said twice', axis(0), { count: 1, lastSeenAtMs: 1_000 });
      await sut.put('ada', [{ memory, vector }]);

      expect(await sut.record(judgementOf(strengthen(memory.id, 3_000)))).toBe('recorded');
      // A message that was processed late.
      expect(await sut.record(judgementOf(strengthen(memory.id, 2_000)))).toBe('recorded');

      const strengthened = { ...memory, count: 3, lastSeenAtMs: 3_000 };
      expect(await sut.get('ada', memory.id)).toEqual(strengthened);
      expect(await listAll(sut, 'ada')).toEqual([strengthened]);
      expect((await search(sut, 'ada', axis(0)))[0]?.memory).toEqual(strengthened);
    });

    it('records a decision whose memory is gone meanwhile', async () => {
      const sut = await open();
      const judgement = judgementOf(strengthen(newId()), {
        statistics: [{ model: 'llm-a', decay: 1, addends: [1] }],
      });

      expect(await sut.record(judgement)).toBe('recorded');

      expect(await sut.decisions('ada', 10)).toEqual([judgement.decision]);
      expect(await sut.statistics('ada', 'llm-a')).toEqual([1]);
      expect(await sut.usage('ada')).toMatchObject({ memories: 0 });
    });

    it('does not strengthen another user’s memory', async () => {
      const sut = await open();
      const bobs = indexed('bob’s', axis(0), { userId: 'bob' });
      await put(sut, [bobs]);

      await sut.record(judgementOf(strengthen(bobs.memory.id)));

      expect(await sut.get('bob', bobs.memory.id)).toEqual(bobs.memory);
    });

    it('changes nothing for a message that has a decision already', async () => {
      const sut = await open();
      const memory = indexed('kept');
      const statistics = [{ model: 'llm-a', decay: 0.5, addends: [1] }];
      await sut.record(judgementOf(keep(memory), { statistics }));
      const { decision } = judgementOf(keep(memory));
      const decided = { id: decision.id, reason: 'another one' };

      for (const effect of [keep(memory), shadow(memory), strengthen(memory.memory.id), keep(indexed('another'))]) {
        expect(await sut.record(judgementOf(effect, { decision: decided, statistics }))).toBe('known');
      }

      expect(await listAll(sut, 'ada')).toEqual([memory.memory]);
      expect(await sut.usage('ada')).toMatchObject({ memories: 1 });
      expect(await sut.decisions('ada', 10)).toEqual([decision]);
      expect(await sut.statistics('ada', 'llm-a')).toEqual([1]);
    });

    it('does not bring a deleted memory back when its message comes again', async () => {
      const sut = await open();
      const judgement = judgementOf(keep(indexed('deleted')));
      await sut.record(judgement);
      await sut.delete('ada', judgement.decision.id);

      expect(await sut.record(judgement)).toBe('known');

      expect(await listAll(sut, 'ada')).toEqual([]);
    });

    it('happens once when many record one message', async () => {
      const stores = [await open(), await open()];
      const memory = indexed('once');
      const judgement = judgementOf(keep(memory), {
        statistics: [{ model: 'llm-a', decay: 1, addends: [1] }],
      });

      const outcomes = await Promise.all(range(50).map((i) => stores[i % 2]!.record(judgement)));

      expect(outcomes.filter((outcome) => outcome === 'recorded')).toHaveLength(1);
      expect(outcomes.filter((outcome) => outcome === 'known')).toHaveLength(49);
      expect(await stores[1]!.statistics('ada', 'llm-a')).toEqual([1]);
      expect(await stores[0]!.decisions('ada', 10)).toHaveLength(1);
      expect(await search(stores[1]!, 'ada', axis(0))).toHaveLength(1);
    });

    it('loses no count when many messages strengthen one memory', async () => {
      const stores = [await open(), await open()];
      const { memory, vector } = indexed('said often');
      await stores[0]!.put('ada', [{ memory, vector }]);

      await Promise.all(
        range(40).map((i) =>
          stores[i % 2]!.record(
            judgementOf(strengthen(memory.id), { statistics: [{ model: 'llm-a', decay: 1, addends: [i, 1] }] }),
          ),
        ),
      );

      expect((await stores[0]!.get('ada', memory.id))?.count).toBe(41);
      expect(await stores[1]!.statistics('ada', 'llm-a')).toEqual([780, 40]);
    });

    it('gives decisions newest first, and keeps the newest', async () => {
      const sut = await open({ maxDecisions: 5 });
      const judgements = range(8).map((i) =>
        judgementOf(keep(indexed(`kept ${i}`)), { decision: { decidedAtMs: 1_000 + i } }),
      );
      for (const judgement of judgements) await sut.record(judgement);
      await sut.record(judgementOf(keep(indexed('bob’s', axis(0), { userId: 'bob' }))));

      const newest = judgements.map(({ decision }) => decision).reverse();
      expect(await sut.decisions('ada', 100)).toEqual(newest.slice(0, 5));
      expect(await sut.decisions('ada', 2)).toEqual(newest.slice(0, 2));
      expect(await sut.decisions('bob', 100)).toHaveLength(1);
      expect(await sut.decisions('eve', 100)).toEqual([]);
      // Only decisions are bounded by this.
      expect(await listAll(sut, 'ada')).toHaveLength(8);
    });
  });

  describe('statistics', () => {
    const record = (store: MemoryStore, ...statistics: Judgement['statistics']) =>
      store.record(judgementOf(strengthen('nothing'), { statistics }));

    it('are decayed sums, of each model for itself', async () => {
      const sut = await open();
      await record(sut, { model: 'llm-a', decay: 0.9, addends: [1, 10.5, -3] });
      await record(
        sut,
        { model: 'llm-a', decay: 0.9, addends: [2, 0.1, 3] },
        { model: 'llm-b', decay: 0.5, addends: [7] },
      );

      expectNumbers(await sut.statistics('ada', 'llm-a'), [0.9 + 2, 10.5 * 0.9 + 0.1, -3 * 0.9 + 3]);
      expectNumbers(await sut.statistics('ada', 'llm-b'), [7]);
      expect(await sut.statistics('ada', 'llm')).toEqual([]);
      expect(await sut.statistics('bob', 'llm-a')).toEqual([]);
    });

    it('grow with longer steps, and decay under shorter ones as well', async () => {
      const sut = await open();
      await record(sut, { model: 'llm-a', decay: 0.5, addends: [1] });
      await record(sut, { model: 'llm-a', decay: 0.5, addends: [1, 4, 8] });
      expectNumbers(await sut.statistics('ada', 'llm-a'), [1.5, 4, 8]);

      await record(sut, { model: 'llm-a', decay: 0.5, addends: [1] });
      expectNumbers(await sut.statistics('ada', 'llm-a'), [1.75, 2, 4]);
    });

    it('take several steps of one model in their order', async () => {
      const sut = await open();

      await record(sut, { model: 'llm-a', decay: 0.5, addends: [8] }, { model: 'llm-a', decay: 0.25, addends: [1] });

      expectNumbers(await sut.statistics('ada', 'llm-a'), [3]);
    });

    it('keep numbers exactly, small and large ones', async () => {
      const sut = await open();
      const addends = [1 / 3, 1e-12, 123_456_789.123_456_78, -0.1];

      await record(sut, { model: 'Qwen/{3}: 0.5B', decay: 1, addends });

      expect(await sut.statistics('ada', 'Qwen/{3}: 0.5B')).toEqual(addends);
    });
  });
}
