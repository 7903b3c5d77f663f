import { newId } from '../../../src/shared/index.js';
import type { Effect, IndexedMemory, Judgement, MemoryStore } from '../../../src/memory/store/memory-store.port.js';
import {
  DROP,
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

    it('counts a memory whose text was said once more', async () => {
      const sut = await open();
      const first = indexed('Said twice', axis(0), { lastSeenAtMs: 1_000 });
      await put(sut, [first]);
      const again = (lastSeenAtMs: number): IndexedMemory => indexed('said  TWICE', axis(1), { lastSeenAtMs });
      const { id } = first.memory;
      expect(await sut.findText('ada', again(0).digest)).toBe(id);

      expect(await sut.record(judgementOf(keep(again(3_000), { duplicateOf: id })))).toBe('recorded');
      // A message that was processed late.
      expect(await sut.record(judgementOf(keep(again(2_000), { duplicateOf: id })))).toBe('recorded');

      const counted = { ...first.memory, count: 3, lastSeenAtMs: 3_000 };
      expect(await sut.get('ada', id)).toEqual(counted);
      expect(await listAll(sut, 'ada')).toEqual([counted]);
      expect((await search(sut, 'ada', axis(0))).map(({ memory }) => memory)).toEqual([counted]);
      expect(await sut.decisions('ada', 10)).toHaveLength(2);
    });

    it('writes nothing where the text has come, or its memory has gone, since it was decided', async () => {
      const sut = await open();
      const statistics = [{ model: 'llm-a', decay: 1, addends: [1] }];
      const first = indexed('said twice');
      const [again, more] = [indexed('said twice'), indexed('said twice')];
      await put(sut, [first]);

      expect(await sut.record(judgementOf(keep(again), { statistics }))).toBe('stale');
      expect(await sut.record(judgementOf(keep(again, { duplicateOf: newId() }), { statistics }))).toBe('stale');
      await sut.delete('ada', first.memory.id);
      expect(await sut.record(judgementOf(keep(more, { duplicateOf: first.memory.id }), { statistics }))).toBe('stale');

      expect(await listAll(sut, 'ada')).toEqual([]);
      expect(await sut.decisions('ada', 10)).toEqual([]);
      expect(await sut.statistics('ada', 'llm-a')).toEqual([]);
      expect(await sut.record(judgementOf(keep(more), { statistics }))).toBe('recorded');
    });

    it('takes the text of another user or another role for another one', async () => {
      const sut = await open();
      const adas = indexed('the same');
      await put(sut, [adas]);
      const bobs = indexed('the same', axis(0), { userId: 'bob' });
      const answer = indexed('the same', axis(0), { role: 'assistant' });

      expect(await sut.findText('bob', bobs.digest)).toBeUndefined();
      expect(await sut.record(judgementOf(keep(bobs)))).toBe('recorded');
      expect(await sut.record(judgementOf(keep(answer)))).toBe('recorded');

      expect(await sut.get('ada', adas.memory.id)).toEqual(adas.memory);
      expect(await listAll(sut, 'ada')).toHaveLength(2);
    });

    it('writes the decision of a message that is not kept', async () => {
      const sut = await open();
      const judgement = judgementOf(DROP, { statistics: [{ model: 'llm-a', decay: 1, addends: [1] }] });

      expect(await sut.record(judgement)).toBe('recorded');

      expect(await sut.decisions('ada', 10)).toEqual([judgement.decision]);
      expect(await sut.statistics('ada', 'llm-a')).toEqual([1]);
      expect(await sut.usage('ada')).toMatchObject({ memories: 0 });
    });

    it('makes one memory with a count of 500 of the same text, recorded 500 times at once', async () => {
      const stores = [await open(), await open()];
      const record = async (index: number): Promise<void> => {
        const store = stores[index % 2] ?? stores[0]!;
        const memory = indexed('said by many', axis(index % 8));
        for (;;) {
          const duplicateOf = (await store.findText('ada', memory.digest)) ?? null;
          const effect = { ...keep(memory), duplicateOf } as Effect;
          if ((await store.record(judgementOf(effect))) !== 'stale') return;
        }
      };

      await Promise.all(range(500).map(record));

      expect(await listAll(stores[0]!, 'ada')).toMatchObject([{ text: 'said by many', count: 500 }]);
      expect(await search(stores[1]!, 'ada', axis(0))).toHaveLength(1);
      expect(await stores[1]!.usage('ada')).toMatchObject({ memories: 1 });
    });

    it('changes nothing for a message that has a decision already', async () => {
      const sut = await open();
      const memory = indexed('kept');
      const statistics = [{ model: 'llm-a', decay: 0.5, addends: [1] }];
      await sut.record(judgementOf(keep(memory), { statistics }));
      const { decision } = judgementOf(keep(memory));
      const decided = { id: decision.id, reason: 'another one' };

      for (const effect of [
        keep(memory),
        DROP,
        keep(indexed('kept'), { duplicateOf: decision.id }),
        keep(indexed('another')),
      ]) {
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
      store.record(judgementOf(DROP, { statistics }));

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
