import { newId } from '../../../src/shared/index.js';
import { AWKWARD_NAMES } from '../../support/awkward-names.js';
import { jest } from '@jest/globals';
import {
  OTHER_SPACE,
  axis,
  idsOf,
  indexed,
  judgementOf,
  keep,
  listAll,
  nearest,
  newestFirst,
  numbered,
  put,
  range,
  search,
  textsFound,
  textsOf,
  tilted,
} from './memory-store.fixtures.js';
import type { ContractContext } from './memory-store.harness.js';

export function describeForgetting({ open }: ContractContext): void {
  describe('deleting', () => {
    it('takes a memory away with its vector, once', async () => {
      const sut = await open();
      const [gone, left] = [indexed('gone', axis(0)), indexed('left', axis(1))];
      await put(sut, [gone, left]);

      expect(await sut.delete('ada', gone.memory.id)).toBe(true);
      expect(await sut.delete('ada', gone.memory.id)).toBe(false);
      expect(await sut.delete('ada', newId())).toBe(false);

      expect(await sut.get('ada', gone.memory.id)).toBeUndefined();
      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['left']);
      expect(textsFound(await search(sut, 'ada', axis(0)))).toEqual(['left']);
      expect((await nearest(sut, 'ada', axis(0)))?.id).toBe(left.memory.id);
      expect(await sut.usage('ada')).toMatchObject({ memories: 1 });
    });

    it('lets the id be used again', async () => {
      const sut = await open();
      const memory = indexed('once', axis(0));
      await put(sut, [memory]);
      await sut.delete('ada', memory.memory.id);

      expect(await sut.put('ada', [{ ...memory, vector: axis(3) }])).toMatchObject([{ status: 'new' }]);

      expect((await nearest(sut, 'ada', axis(3)))?.similarity).toBeCloseTo(1, 1);
    });
  });

  describe('isolation', () => {
    it('tells all users apart, whatever their names', async () => {
      const sut = await open();
      const users = AWKWARD_NAMES;
      const vectorOf = (index: number): Float32Array => tilted(index % 8, (index + 1) % 8, 0.8);
      await Promise.all(
        users.map(async (userId, index) => {
          await sut.put(userId, [indexed(`kept by ${userId}`, vectorOf(index), { id: 'one id', userId })]);
          await sut.record(
            judgementOf(keep(indexed(`recorded for ${userId}`, vectorOf(index), { id: 'other id', userId })), {
              statistics: [{ model: 'llm-a', decay: 1, addends: [index] }],
              decision: { reason: userId },
            }),
          );
        }),
      );

      for (const [index, userId] of users.entries()) {
        const kept = await sut.get(userId, 'one id');
        expect(kept).toMatchObject({ userId, text: `kept by ${userId}` });
        expect(idsOf(await listAll(sut, userId))).toEqual(['other id', 'one id']);
        const byWords = await sut.candidates(userId, { terms: ['kept', 'by', 'for'], limit: 10 });
        expect(idsOf(byWords.map(({ memory }) => memory)).sort()).toEqual(['one id', 'other id']);
        for (const { memory } of byWords) expect(memory.userId).toBe(userId);
        expect(textsFound(await search(sut, userId, axis(0))).sort()).toEqual([
          `kept by ${userId}`,
          `recorded for ${userId}`,
        ]);
        expect((await nearest(sut, userId, vectorOf(index)))?.similarity).toBeCloseTo(1, 1);
        expect(await sut.usage(userId)).toMatchObject({ memories: 2 });
        expect((await sut.decisions(userId, 10)).map(({ reason }) => reason)).toEqual([userId]);
        expect(await sut.statistics(userId, 'llm-a')).toEqual([index]);
      }
    });

    it('tells all memories of a user apart, whatever their ids', async () => {
      const sut = await open();
      await put(
        sut,
        AWKWARD_NAMES.map((id, index) => indexed(`memory ${index}`, axis(index % 8), { id })),
      );

      expect(idsOf(await listAll(sut, 'ada'))).toEqual(newestFirst(AWKWARD_NAMES));
      expect(await search(sut, 'ada', axis(0))).toHaveLength(AWKWARD_NAMES.length);
      for (const id of AWKWARD_NAMES.filter((_, index) => index % 2 === 0)) {
        expect((await sut.get('ada', id))?.text).toBe(`memory ${AWKWARD_NAMES.indexOf(id)}`);
        expect(await sut.delete('ada', id)).toBe(true);
      }
      expect(idsOf(await listAll(sut, 'ada'))).toEqual(
        newestFirst(AWKWARD_NAMES.filter((_, index) => index % 2 === 1)),
      );
    });

    it('lets one user change nothing of another', async () => {
      const sut = await open();
      const adas = indexed('ada’s', axis(0), { id: 'one id' });
      const bobs = indexed('bob’s', axis(1), { id: 'one id', userId: 'bob' });
      await put(sut, [adas]);

      expect(await sut.delete('bob', 'one id')).toBe(false);
      expect(await sut.put('bob', [bobs])).toEqual([{ status: 'new', id: 'one id' }]);
      expect(await sut.delete('bob', 'one id')).toBe(true);

      expect(await sut.get('ada', 'one id')).toEqual(adas.memory);
      expect(await search(sut, 'ada', axis(0))).toHaveLength(1);
      expect(await search(sut, 'bob', axis(0))).toEqual([]);
    });
  });

  describe('forgetting', () => {
    it('takes away everything of one user and nothing of another, whatever their names', async () => {
      const sut = await open();
      await Promise.all(
        AWKWARD_NAMES.map(async (userId) => {
          await sut.put(userId, numbered(2, { userId }));
          await sut.record(
            judgementOf(keep(indexed('recorded', axis(3), { userId })), {
              statistics: [{ model: 'llm-a', decay: 1, addends: [1] }],
            }),
          );
        }),
      );
      const gone = new Set(AWKWARD_NAMES.filter((_, index) => index % 2 === 0));

      for (const userId of gone) expect(await sut.forget(userId, 'mark')).toBe(3);

      for (const userId of AWKWARD_NAMES) {
        const there = gone.has(userId) ? 0 : 1;
        expect(await sut.usage(userId)).toMatchObject({ memories: 3 * there });
        expect(await listAll(sut, userId)).toHaveLength(3 * there);
        expect(await sut.candidates(userId, { terms: ['memory', 'recorded'], limit: 10 })).toHaveLength(3 * there);
        expect(await search(sut, userId, axis(0))).toHaveLength(3 * there);
        expect(await sut.decisions(userId, 10)).toHaveLength(there);
        expect(await sut.statistics(userId, 'llm-a')).toHaveLength(there);
      }
      expect(await sut.forget(AWKWARD_NAMES[0]!, 'mark 2')).toBe(0);
    });

    it('leaves nothing to embed anew', async () => {
      const sut = await open();
      await put(sut, numbered(2));
      await sut.reembedding.begin(OTHER_SPACE);
      const pending = await sut.reembedding.pending(1);
      await sut.reembedding.put(pending.map((item) => ({ ...item, vector: axis(0, 6) })));

      expect(await sut.forget('ada', 'mark')).toBe(2);

      expect(await sut.reembedding.pending(10)).toEqual([]);
      expect(await sut.reembedding.progress()).toEqual({ total: 0, done: 0 });
    });

    it('records nothing any more of what was received until then, and all of what comes later', async () => {
      const sut = await open();
      expect(await sut.forgetMark('ada')).toBe('');
      await sut.forget('ada', 'first');
      await sut.forget('ada', 'second');
      expect(await sut.forgetMark('ada')).toBe('second');
      const statistics = [{ model: 'llm-a', decay: 1, addends: [1] }];
      const before = keep(indexed('before'));

      for (const forgetMark of ['', 'first']) {
        expect(await sut.record(judgementOf(before, { forgetMark, statistics }))).toBe('forgotten');
      }
      const late = indexed('put');
      expect(await sut.put('ada', [late], { forgetMark: 'first' })).toEqual([
        { status: 'forgotten', id: late.memory.id },
      ]);
      expect(await sut.usage('ada')).toMatchObject({ memories: 0 });
      expect(await sut.decisions('ada', 10)).toEqual([]);
      expect(await sut.statistics('ada', 'llm-a')).toEqual([]);

      const after = judgementOf(keep(indexed('after')), { forgetMark: 'second', statistics });
      expect(await sut.record(after)).toBe('recorded');
      expect(textsOf(await listAll(sut, 'ada'))).toEqual(['after']);
      const bobs = keep(indexed('bob’s', axis(0), { userId: 'bob' }));
      expect(await sut.record(judgementOf(bobs))).toBe('recorded');
    });

    it('does not ask the clock: that of the one who forgets may be ahead or behind by minutes', async () => {
      const [here, there] = [await open(), await open()];
      const now = jest.spyOn(Date, 'now');
      const realNow = (): number => performance.timeOrigin + performance.now();
      try {
        for (const shiftMs of [600_000, -600_000]) {
          const before = await here.forgetMark('ada');
          now.mockImplementation(() => realNow() + shiftMs);
          await there.forget('ada', `shifted by ${shiftMs}`);
          now.mockImplementation(realNow);

          const late = judgementOf(keep(indexed('said before')), { forgetMark: before });
          expect(await here.record(late)).toBe('forgotten');
          const after = judgementOf(keep(indexed('said after')), { forgetMark: await here.forgetMark('ada') });
          expect(await here.record(after)).toBe('recorded');
          expect(textsOf(await listAll(here, 'ada'))).toEqual(['said after']);
        }
      } finally {
        now.mockRestore();
      }
    });

    it('wins against what is being recorded meanwhile', async () => {
      const stores = [await open(), await open()];

      await Promise.all([
        ...range(20).map((i) => stores[i % 2]!.record(judgementOf(keep(indexed(`racing ${i}`))))),
        stores[0]!.forget('ada', 'mark'),
        ...range(20).map((i) => stores[i % 2]!.record(judgementOf(keep(indexed(`racing on ${i}`))))),
      ]);

      expect(await stores[1]!.usage('ada')).toMatchObject({ memories: 0 });
      expect(await search(stores[1]!, 'ada', axis(0))).toEqual([]);
      expect(await stores[1]!.decisions('ada', 100)).toEqual([]);
    });

    it('lets the user begin anew', async () => {
      const sut = await open();
      const memory = indexed('again');
      await put(sut, [memory]);
      await sut.forget('ada', 'mark');

      expect(await sut.put('ada', [memory])).toEqual([{ status: 'new', id: memory.memory.id }]);

      expect(textsFound(await search(sut, 'ada', axis(0)))).toEqual(['again']);
      expect(textsFound(await sut.candidates('ada', { terms: ['again'], limit: 5 }))).toEqual(['again']);
      expect(await sut.forget('ada', 'mark')).toBe(1);
    });
  });
}
