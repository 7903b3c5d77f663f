import type { IndexedMemory, MemoryStore, MemoryToPut } from '../../../src/memory/store/memory-store.port.js';
import { newId } from '../../../src/shared/index.js';
import { axis, indexed, judgementOf, keep, listAll } from './memory-store.fixtures.js';
import type { ContractContext } from './memory-store.harness.js';

const atMsOf = (day: number): number => 1_790_000_000_000 + day * 24 * 3_600_000;
const said = (text: string, day: number): IndexedMemory =>
  indexed(text, axis(Math.floor(day)), { createdAtMs: atMsOf(day) });
const changing = (newer: IndexedMemory, ...older: IndexedMemory[]): MemoryToPut[] =>
  older.map(({ memory: { id } }) => ({
    ...newer,
    supersedes: { id, atMs: newer.memory.validFromMs, reason: 'changed', score: 0.97 },
  }));
const changedBy = (older: IndexedMemory, { memory: { id, validFromMs } }: IndexedMemory): MemoryToPut => ({
  ...older,
  supersededBy: { id, atMs: validFromMs, reason: 'changed', score: 0.96 },
});

/** For each memory of ada's, newest first, its text and that of what supersedes it. */
async function chainsOf(sut: MemoryStore): Promise<[string, string | null][]> {
  const all = await listAll(sut, 'ada');
  const textOf = new Map(all.map(({ id, text }) => [id, text]));
  return all.map(({ text, supersededBy }) => [text, supersededBy && (textOf.get(supersededBy.id) ?? 'gone')]);
}

export function describeLinking({ open }: ContractContext): void {
  describe('what is put with what it supersedes', () => {
    it('is known of both', async () => {
      const sut = await open();
      const [old, now] = [said('nine', 1), said('ten', 2)];
      await sut.put('ada', [old]);

      expect(await sut.put('ada', changing(now, old))).toEqual([{ status: 'new', id: now.memory.id }]);

      const supersededBy = { id: now.memory.id, atMs: atMsOf(2), reason: 'changed', score: 0.97 };
      expect(await listAll(sut, 'ada')).toEqual([
        { ...now.memory, supersedes: [old.memory.id] },
        { ...old.memory, supersededBy },
      ]);
    });

    it('may come with it, in a chain', async () => {
      const sut = await open();
      const [one, two, three] = [said('nine', 1), said('ten', 2), said('eleven', 3)];

      await sut.put('ada', [one, ...changing(two, one), ...changing(three, two)]);

      expect(await chainsOf(sut)).toEqual([
        ['eleven', null],
        ['ten', 'eleven'],
        ['nine', 'ten'],
      ]);
    });

    it('passes over what is gone, and another user’s', async () => {
      const sut = await open();
      const bobs = indexed('bob’s', axis(0), { userId: 'bob', createdAtMs: atMsOf(1) });
      await sut.put('bob', [bobs]);

      await sut.put('ada', [...changing(said('ten', 2), said('nine', 1)), ...changing(said('eleven', 3), bobs)]);

      expect(await chainsOf(sut)).toEqual([
        ['eleven', null],
        ['ten', null],
      ]);
      expect(await sut.get('bob', bobs.memory.id)).toEqual(bobs.memory);
    });

    it('counts for nothing where the text, or the id, is there already', async () => {
      const sut = await open();
      const [one, other] = [said('nine', 1), said('ten', 2)];
      await sut.put('ada', [one, other]);
      const taken = indexed('new', axis(0), { id: other.memory.id, createdAtMs: atMsOf(3) });

      expect(await sut.put('ada', [...changing(said('TEN', 3), one), ...changing(taken, one)])).toMatchObject([
        { status: 'duplicate' },
        { status: 'known' },
      ]);

      expect(await chainsOf(sut)).toEqual([
        ['ten', null],
        ['nine', null],
      ]);
    });

    it('leaves alone what holds since later, also where the store learned of it only by now', async () => {
      const sut = await open();
      const [one, two, three] = [said('nine', 1), said('ten', 2), said('eleven', 3)];
      await sut.put('ada', [one, ...changing(three, one)]);

      await sut.put('ada', changing(two, one));
      expect(await chainsOf(sut)).toEqual([
        ['eleven', null],
        ['ten', null],
        ['nine', 'eleven'],
      ]);

      const [supersedes] = changing(said('twelve', 2.5), three).map((each) => each.supersedes);
      await sut.record(judgementOf(keep(said('twelve', 2.5), { supersedes })));
      expect(await sut.get('ada', three.memory.id)).toMatchObject({ supersededBy: null });
      // Said again on the fourth day, it holds since then.
      await sut.put('ada', [said('nine', 4)]);
      await sut.put('ada', changing(said('eight', 3.5), one));
      expect(await sut.get('ada', one.memory.id)).toMatchObject({ supersededBy: null, validFromMs: atMsOf(4) });
    });

    it('compares with when a memory holds, where that is not when it was created', async () => {
      const sut = await open();
      const [old, now] = [said('nine', 1), said('ten', 2)];
      const holdsLater = { ...old, memory: { ...old.memory, validFromMs: atMsOf(3) } };
      await sut.put('ada', [holdsLater, ...changing(now, old)]);

      expect(await listAll(sut, 'ada')).toEqual([now.memory, holdsLater.memory]);
    });
  });

  describe('what is put with what supersedes it', () => {
    it('is known of both, and takes its place in the chain', async () => {
      const sut = await open();
      const [one, two, three] = [said('nine', 1), said('ten', 2), said('eleven', 3)];
      await sut.put('ada', [one, three]);

      const [supersedes] = changing(two, one).map((each) => each.supersedes);
      await sut.put('ada', [{ ...changedBy(two, three), ...(supersedes && { supersedes }) }]);

      expect(await listAll(sut, 'ada')).toEqual([
        { ...three.memory, supersedes: [two.memory.id] },
        {
          ...two.memory,
          supersedes: [one.memory.id],
          supersededBy: { id: three.memory.id, atMs: atMsOf(3), reason: 'changed', score: 0.96 },
        },
        {
          ...one.memory,
          supersededBy: { id: two.memory.id, atMs: atMsOf(2), reason: 'changed', score: 0.97 },
        },
      ]);
    });

    it('holds where that is gone', async () => {
      const sut = await open();
      const one = said('nine', 1);
      const gone = indexed('gone', axis(0), { id: newId(), createdAtMs: atMsOf(2) });

      await sut.put('ada', [changedBy(one, gone)]);

      expect(await listAll(sut, 'ada')).toEqual([one.memory]);
    });
  });
}
