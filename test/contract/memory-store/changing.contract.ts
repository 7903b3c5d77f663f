import type { IndexedMemory, MemoryStore } from '../../../src/memory/store/memory-store.port.js';
import { newId } from '../../../src/shared/index.js';
import {
  axis,
  idsOf,
  indexed,
  judgementOf,
  keep,
  listAll,
  put,
  range,
  textsFound,
  textsOf,
} from './memory-store.fixtures.js';
import type { ContractContext } from './memory-store.harness.js';

const DAY_MS = 24 * 3_600_000;
const said = (text: string, day: number): IndexedMemory => {
  const createdAtMs = 1_790_000_000_000 + day * DAY_MS;
  return indexed(text, axis(day), { createdAtMs });
};

/** For each memory of ada's, newest first, its text and that of what supersedes it. */
async function chainsOf(sut: MemoryStore): Promise<[string, string | null][]> {
  const all = await listAll(sut, 'ada');
  const textOf = new Map(all.map(({ id, text }) => [id, text]));
  return all.map(({ text, supersededBy }) => [text, supersededBy && (textOf.get(supersededBy.id) ?? 'gone')]);
}

export function describeChanging({ open }: ContractContext): void {
  describe('changing a memory in place', () => {
    it('sets its metadata, and is found by them afterwards', async () => {
      const sut = await open();
      const { memory, ...more } = indexed('kept', axis(0), { metadata: { old: 1 } });
      await put(sut, [{ memory, ...more }]);
      const metadata = { 'a "b"': [null, { '{c}': '🧠' }], n: 0.1, mine: true };

      expect(await sut.change('ada', memory.id, { metadata })).toEqual({ ...memory, metadata });

      expect(await sut.get('ada', memory.id)).toEqual({ ...memory, metadata });
      const filter = { metadata: { mine: true } };
      expect(await sut.candidates('ada', { vector: axis(0), limit: 5, filter })).toHaveLength(1);
      expect(await sut.list('ada', { limit: 5, filter: { metadata: { old: 1 } } })).toEqual([]);
    });

    it('counts its bytes anew', async () => {
      const sut = await open();
      const one = indexed('ключ', axis(0), { context: 'abc', metadata: { a: 1 } });
      await put(sut, [one]);
      expect(await sut.usage('ada')).toEqual({ memories: 1, bytes: 18, pinned: 0, pinnedBytes: 0 });

      await sut.change('ada', one.memory.id, { isPinned: true, metadata: {} });
      expect(await sut.usage('ada')).toEqual({ memories: 1, bytes: 13, pinned: 1, pinnedBytes: 13 });
      // Once more is the same.
      await sut.change('ada', one.memory.id, { isPinned: true });
      expect(await sut.usage('ada')).toEqual({ memories: 1, bytes: 13, pinned: 1, pinnedBytes: 13 });

      expect(await sut.change('ada', one.memory.id, { isPinned: false })).toMatchObject({ isPinned: false });
      expect(await sut.usage('ada')).toEqual({ memories: 1, bytes: 13, pinned: 0, pinnedBytes: 0 });
      await sut.delete('ada', one.memory.id);
      expect(await sut.usage('ada')).toEqual({ memories: 0, bytes: 0, pinned: 0, pinnedBytes: 0 });
    });

    it('knows nothing of what is not there, or another user’s', async () => {
      const sut = await open();
      const bobs = indexed('bob’s', axis(0), { userId: 'bob' });
      await put(sut, [bobs]);
      const { id } = bobs.memory;

      expect(await sut.change('ada', id, { isPinned: true })).toBeUndefined();
      expect(await sut.replace('ada', id, indexed('edited'))).toBeUndefined();
      expect(await sut.reinstate('ada', id)).toBeUndefined();
      await sut.noteRecalled('ada', [id, newId()], 1);

      expect(await sut.get('bob', id)).toEqual(bobs.memory);
      expect(await listAll(sut, 'ada')).toEqual([]);
    });

    it('loses nothing that others change meanwhile', async () => {
      const stores = [await open(), await open()];
      const { memory, ...more } = indexed('kept');
      await put(stores[0]!, [{ memory, ...more }]);

      await Promise.all([
        ...range(20).map((i) => stores[i % 2]!.noteRecalled('ada', [memory.id], 1_000 + i)),
        ...range(20).map(() => stores[1]!.put('ada', [indexed('KEPT')])),
        stores[0]!.change('ada', memory.id, { metadata: { a: 1 } }),
        stores[1]!.change('ada', memory.id, { isPinned: true }),
      ]);

      expect(await stores[0]!.get('ada', memory.id)).toMatchObject({
        ...{ count: 21, recallCount: 20, lastRecalledAtMs: 1_019, isPinned: true, metadata: { a: 1 } },
      });
    });

    it('notes when a memory stood in a prompt, the last time even where that is told late', async () => {
      const sut = await open();
      const [one, other] = [indexed('one'), indexed('other')];
      await put(sut, [one, other]);

      await sut.noteRecalled('ada', [one.memory.id, newId()], 3_000);
      await sut.noteRecalled('ada', [one.memory.id], 2_000);
      await sut.noteRecalled('ada', [], 4_000);

      expect(await sut.get('ada', one.memory.id)).toEqual({ ...one.memory, recallCount: 2, lastRecalledAtMs: 3_000 });
      expect(await sut.get('ada', other.memory.id)).toEqual(other.memory);
    });
  });

  describe('what supersedes what', () => {
    const supersede = (sut: MemoryStore, memory: IndexedMemory, old: IndexedMemory) =>
      sut.record(
        judgementOf(
          keep(memory, {
            supersedes: { id: old.memory.id, atMs: memory.memory.createdAtMs, reason: 'changed', score: 0.97 },
          }),
        ),
      );

    it('is known of both, wherever they are read', async () => {
      const sut = await open();
      const [old, now] = [said('the train leaves at nine', 1), said('the train leaves at ten', 2)];
      await put(sut, [old]);

      expect(await supersede(sut, now, old)).toBe('recorded');

      const supersededBy = {
        ...{ id: now.memory.id, atMs: now.memory.createdAtMs, reason: 'changed', score: 0.97 },
      };
      const older = { ...old.memory, supersededBy };
      const newer = { ...now.memory, supersedes: [old.memory.id] };
      expect(await sut.get('ada', old.memory.id)).toEqual(older);
      expect(await listAll(sut, 'ada')).toEqual([newer, older]);
      const found = await sut.candidates('ada', { vector: axis(1), terms: ['train'], limit: 5 });
      expect(found.map(({ memory }) => memory).sort((a, b) => b.createdAtMs - a.createdAtMs)).toEqual([newer, older]);
    });

    it('passes over what is gone', async () => {
      const sut = await open();
      const [gone, now] = [said('nine', 1), said('ten', 2)];

      expect(await supersede(sut, now, gone)).toBe('recorded');

      expect(await listAll(sut, 'ada')).toEqual([now.memory]);
    });

    it('is one chain: what holds of it gives way, whichever of it was meant', async () => {
      const sut = await open();
      const [one, two, three] = [said('nine', 1), said('ten', 2), said('eleven', 3)];
      await put(sut, [one]);
      await supersede(sut, two, one);
      await supersede(sut, three, one);

      expect(await chainsOf(sut)).toEqual([
        ['eleven', null],
        ['ten', 'eleven'],
        ['nine', 'ten'],
      ]);
    });

    it('turns round when the older text is said again', async () => {
      const sut = await open();
      const [one, two, three] = [said('nine', 1), said('ten', 2), said('eleven', 3)];
      await put(sut, [one]);
      await supersede(sut, two, one);
      await supersede(sut, three, two);

      const again = said('Nine', 4);
      expect(await sut.record(judgementOf(keep(again, { duplicateOf: one.memory.id })))).toBe('recorded');

      expect(await chainsOf(sut)).toEqual([
        ['eleven', 'nine'],
        ['ten', 'eleven'],
        ['nine', null],
      ]);
      const atMs = again.memory.lastSeenAtMs;
      expect(await sut.get('ada', one.memory.id)).toMatchObject({
        ...{ count: 2, validFromMs: atMs, supersededBy: null, supersedes: [three.memory.id] },
      });
      expect(await sut.get('ada', three.memory.id)).toMatchObject({
        supersededBy: { id: one.memory.id, atMs, reason: 'said_again', score: null },
        supersedes: [two.memory.id],
      });
      // The same by put.
      expect(await sut.put('ada', [said('ten', 5)])).toEqual([{ status: 'duplicate', id: two.memory.id }]);
      expect(await chainsOf(sut)).toEqual([
        ['eleven', 'nine'],
        ['ten', null],
        ['nine', 'ten'],
      ]);
    });

    it('stays where what comes late was said before the change', async () => {
      const sut = await open();
      const [one, two] = [said('nine', 1), said('ten', 3)];
      await put(sut, [one]);
      await supersede(sut, two, one);

      expect(await sut.put('ada', [said('nine', 2)])).toEqual([{ status: 'duplicate', id: one.memory.id }]);

      expect(await chainsOf(sut)).toEqual([
        ['ten', null],
        ['nine', 'ten'],
      ]);
    });

    it('passes on when one of the middle is deleted, and holds again when the newest is', async () => {
      const sut = await open();
      const [one, two, three] = [said('nine', 1), said('ten', 2), said('eleven', 3)];
      await put(sut, [one]);
      await supersede(sut, two, one);
      await supersede(sut, three, two);

      await sut.delete('ada', two.memory.id);
      expect(await chainsOf(sut)).toEqual([
        ['eleven', null],
        ['nine', 'eleven'],
      ]);
      expect((await sut.get('ada', three.memory.id))?.supersedes).toEqual([one.memory.id]);

      await sut.delete('ada', three.memory.id);
      expect(await listAll(sut, 'ada')).toEqual([one.memory]);
    });

    it('is taken back', async () => {
      const sut = await open();
      const [one, two] = [said('nine', 1), said('ten', 2)];
      await put(sut, [one]);
      await supersede(sut, two, one);

      expect(await sut.reinstate('ada', one.memory.id)).toEqual(one.memory);
      expect(await sut.reinstate('ada', one.memory.id)).toEqual(one.memory);

      expect(await listAll(sut, 'ada')).toEqual([two.memory, one.memory]);
    });

    it('is left out when asked, as of any time', async () => {
      const sut = await open();
      const [one, two, three] = [said('at nine', 1), said('at ten', 3), said('at eleven', 5)];
      await put(sut, [one]);
      await supersede(sut, two, one);
      await supersede(sut, three, two);
      const textsAsOf = async (day: number): Promise<string[][]> => {
        const filter = { includeSuperseded: false, asOfMs: 1_790_000_000_000 + day * DAY_MS };
        return [
          textsOf(await sut.list('ada', { limit: 10, filter })),
          textsFound(await sut.candidates('ada', { vector: axis(0), limit: 10, filter })),
          textsFound(await sut.candidates('ada', { terms: ['at'], limit: 10, filter })),
        ];
      };

      expect(await textsAsOf(0)).toEqual([[], [], []]);
      expect(await textsAsOf(2)).toEqual([['at nine'], ['at nine'], ['at nine']]);
      expect(await textsAsOf(3)).toEqual([['at ten'], ['at ten'], ['at ten']]);
      expect(await textsAsOf(9)).toEqual([['at eleven'], ['at eleven'], ['at eleven']]);
      const then = await sut.list('ada', { limit: 10, filter: { asOfMs: 1_790_000_000_000 + 4 * DAY_MS } });
      expect(then.map(({ text, supersededBy }) => [text, supersededBy?.id ?? null])).toEqual([
        ['at ten', null],
        ['at nine', two.memory.id],
      ]);
    });
  });

  describe('replacing', () => {
    it('keeps the old version as superseded, and finds both by their words', async () => {
      const sut = await open();
      const [old, edited] = [said('my cat is grey', 1), said('my cat is black', 2)];
      await put(sut, [old]);

      expect(await sut.replace('ada', old.memory.id, edited)).toEqual({ status: 'new', id: edited.memory.id });

      const atMs = edited.memory.validFromMs;
      expect(await listAll(sut, 'ada')).toEqual([
        { ...edited.memory, supersedes: [old.memory.id] },
        { ...old.memory, supersededBy: { id: edited.memory.id, atMs, reason: 'edited', score: null } },
      ]);
      const found = await sut.candidates('ada', { terms: ['black', 'grey'], limit: 5 });
      expect(textsFound(found).sort()).toEqual(['my cat is black', 'my cat is grey']);
    });

    it('has the memory that has the text already take its place', async () => {
      const sut = await open();
      const [first, second] = [said('black', 1), said('grey', 2)];
      await put(sut, [first, second]);

      const edited = said('BLACK', 3);
      expect(await sut.replace('ada', second.memory.id, edited)).toEqual({ status: 'duplicate', id: first.memory.id });

      expect(idsOf(await listAll(sut, 'ada'))).toEqual([second.memory.id, first.memory.id]);
      expect(await sut.get('ada', second.memory.id)).toMatchObject({
        supersededBy: { id: first.memory.id, reason: 'edited' },
      });
      // And back again.
      expect(await sut.replace('ada', first.memory.id, said('grey', 4))).toMatchObject({ id: second.memory.id });
      expect(await sut.get('ada', second.memory.id)).toMatchObject({
        supersededBy: null,
        supersedes: [first.memory.id],
      });
      expect(await sut.get('ada', first.memory.id)).toMatchObject({ supersededBy: { id: second.memory.id } });
    });

    it('supersedes nothing where the text is the same, or the id is taken', async () => {
      const sut = await open();
      const [one, other] = [said('one', 1), said('other', 2)];
      await put(sut, [one, other]);
      const { id } = one.memory;

      expect(await sut.replace('ada', id, said('ONE', 3))).toEqual({ status: 'duplicate', id });
      const taken = indexed('new', axis(0), { id: other.memory.id });
      expect(await sut.replace('ada', id, taken)).toEqual({ status: 'known', id: other.memory.id });

      expect(await chainsOf(sut)).toEqual([
        ['other', null],
        ['one', null],
      ]);
    });
  });
}
