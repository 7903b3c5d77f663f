import { Logger } from '@nestjs/common';
import type { MemoryLimits } from '../../../src/memory/store/memory-limits.js';
import { describeCandidates } from './candidates.contract.js';
import { describeChanging } from './changing.contract.js';
import { describeFilters } from './filters.contract.js';
import { describeForgetting } from './forgetting.contract.js';
import { describeKeeping } from './keeping.contract.js';
import { describeLinking } from './linking.contract.js';
import { describeListing } from './listing.contract.js';
import {
  axis,
  indexed,
  judgementOf,
  keep,
  listAll,
  numbered,
  onceAvailable,
  OTHER_SPACE,
  put,
  search,
  SPACE,
  textsFound,
  textsOf,
} from './memory-store.fixtures.js';
import type { ContractContext, MemoryStoreHarness, OpenedStore } from './memory-store.harness.js';
import { describeRecording } from './recording.contract.js';
import { describeReembedding } from './reembedding.contract.js';
import { describeReindexing } from './reindexing.contract.js';
import { describeRetention } from './retention.contract.js';
import { describeUndecodableRecords } from './undecodable.contract.js';

/** What every adapter of the port has to do; the port's comment, in tests. */
export function describeMemoryStore(name: string, makeHarness: () => Promise<MemoryStoreHarness>): void {
  describe(`MemoryStore: ${name}`, () => {
    let harness: MemoryStoreHarness;

    async function open(limits?: Partial<MemoryLimits>): Promise<OpenedStore> {
      const store = await harness.open(limits);
      await store.claimSpace(SPACE);
      return store;
    }
    const context: ContractContext = { open, harness: () => harness };

    beforeAll(() => {
      Logger.overrideLogger(false);
    });

    beforeEach(async () => {
      harness = await makeHarness();
    });

    afterEach(async () => {
      await harness.dispose();
    });

    describeKeeping(context);
    describeLinking(context);
    describeListing(context);
    describeCandidates(context);
    describeFilters(context);
    describeRetention(context);
    describeRecording(context);
    describeChanging(context);
    describeForgetting(context);
    describeReembedding(context);
    describeReindexing(context);
    describeUndecodableRecords(makeHarness);

    it('has everything after a restart', async () => {
      const before = await open();
      const memories = numbered(3);
      await put(before, memories);
      const judgement = judgementOf(keep(indexed('recorded', axis(4))), {
        statistics: [{ model: 'llm-a', decay: 1, addends: [1.25] }],
      });
      await before.record(judgement);
      await before.forget('bob', 'mark');
      await harness.closeAll();

      const sut = await harness.open();

      expect(await sut.spaces()).toEqual({ current: SPACE, next: undefined });
      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['recorded', 'memory 2', 'memory 1', 'memory 0']);
      expect(textsFound(await search(sut, 'ada', axis(4), { limit: 1 }))).toEqual(['recorded']);
      expect(textsFound(await sut.candidates('ada', { terms: ['2'], limit: 5 }))).toEqual(['memory 2']);
      expect(await sut.decisions('ada', 10)).toEqual([judgement.decision]);
      expect(await sut.statistics('ada', 'llm-a')).toEqual([1.25]);
      expect(await sut.record(judgement)).toBe('known');
      const late = judgementOf(keep(indexed('late', axis(0), { userId: 'bob' })));
      expect(await sut.record(late)).toBe('forgotten');
    });

    it('fails with MemoryStoreUnavailableError while the store is unreachable, and works afterwards', async () => {
      const sut = await open();
      await sut.check();
      const kept = indexed('kept');
      const { id } = kept.memory;
      await put(sut, [kept]);
      const resent = judgementOf(keep(indexed('resent', axis(2))));

      const end = await harness.beginOutage();
      const outcomes = await Promise.allSettled([
        sut.spaces(),
        sut.claimSpace(SPACE),
        sut.put('ada', numbered(1)),
        sut.get('ada', id),
        sut.list('ada', { limit: 10 }),
        sut.candidates('ada', { vector: axis(0), limit: 10 }),
        sut.candidates('ada', { terms: ['kept'], limit: 10 }),
        sut.findText('ada', kept.digest),
        sut.delete('ada', id),
        sut.change('ada', id, { isPinned: true }),
        sut.replace('ada', id, indexed('edited')),
        sut.reinstate('ada', id),
        sut.noteRecalled('ada', [id], 1),
        sut.usage('ada'),
        sut.record(resent),
        sut.statistics('ada', 'llm-a'),
        sut.decisions('ada', 10),
        sut.forgetMark('ada'),
        sut.forget('ada', 'mark'),
        sut.reembedding.begin(OTHER_SPACE),
        sut.reembedding.pending(10),
        sut.reembedding.progress(),
        sut.reembedding.put([{ userId: 'ada', id, text: 'kept', vector: axis(1) }]),
        sut.reembedding.finish(),
        sut.reindexing.pending(10),
        sut.reindexing.progress(),
        sut.reindexing.put([kept]),
        sut.check(),
      ]);
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: { code: 'MEMORY_STORE_UNAVAILABLE', httpStatus: 503, transient: true },
        });
      }

      await end();
      expect(await onceAvailable(() => sut.record(resent))).toBe('recorded');
      await sut.check();
      expect(await sut.spaces()).toEqual({ current: SPACE, next: undefined });
      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['resent', 'kept']);
      expect(await search(sut, 'ada', axis(0))).toHaveLength(2);
    });
  });
}
