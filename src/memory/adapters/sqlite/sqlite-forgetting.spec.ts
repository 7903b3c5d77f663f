import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteDatabase } from '../../../infra/sqlite/index.js';
import { indexMemory } from '../../remember/indexed-memory.js';
import { newMemory } from '../../remember/new-memory.js';
import type { IndexedMemory, PutOutcome } from '../../store/memory-store.port.js';
import { SqliteMemoryStore } from './sqlite-memory-store.js';

const DIMENSIONS = 64;

/** Of length 1, and like no other: a dimension of its own, and a distinct rest. */
function vectorOf(seed: number): Float32Array {
  const vector = Float32Array.from({ length: DIMENSIONS }, (_, index) => Math.sin(seed * 100 + index));
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value ** 2, 0));
  return vector.map((value) => value / length);
}

describe('forgetting in the embedded store', () => {
  let folder: string;
  let database: SqliteDatabase;
  let sut: SqliteMemoryStore;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'forgetting-'));
    database = await SqliteDatabase.open(join(folder, 'brain.sqlite'));
    sut = new SqliteMemoryStore(database, { maxMemories: 100, maxBytes: 1_000_000, maxDecisions: 10 });
    await sut.claimSpace({ model: 'small', dimensions: DIMENSIONS });
  });

  afterEach(async () => {
    await database.close();
    await rm(folder, { recursive: true });
  });

  const put = (user: string, seed: number, id: string): Promise<PutOutcome[]> =>
    sut.put(user, [indexMemory(newMemory(user, { id, text: `the text ${id}` }), vectorOf(seed))]);

  async function standsInFiles(bytes: Buffer): Promise<boolean> {
    const names = await readdir(folder);
    const contents = await Promise.all(names.map((name) => readFile(join(folder, name))));
    return contents.some((content) => content.includes(bytes));
  }

  const vectorStands = (seed: number): Promise<boolean> => standsInFiles(Buffer.from(vectorOf(seed).buffer));
  const textStands = (id: string): Promise<boolean> => standsInFiles(Buffer.from(`the text ${id}`));

  it('takes the vectors out of file and log, too', async () => {
    for (let seed = 0; seed < 20; seed++) await put(seed % 2 === 0 ? 'ada' : 'bob', seed, `id-${seed}-`);
    expect(await vectorStands(0)).toBe(true);

    await sut.forget('ada', 'mark');

    for (let seed = 0; seed < 20; seed++) {
      const isBobs = seed % 2 === 1;
      expect([seed, await vectorStands(seed), await textStands(`id-${seed}-`)]).toEqual([seed, isBobs, isBobs]);
    }
  });

  it('is as thorough for one memory', async () => {
    await put('ada', 1, 'id-1-');
    await put('ada', 2, 'id-2-');

    await sut.delete('ada', 'id-1-');

    expect([await vectorStands(1), await textStands('id-1-')]).toEqual([false, false]);
    expect([await vectorStands(2), await textStands('id-2-')]).toEqual([true, true]);
  });

  describe('words', () => {
    /** A word of each memory that no other has, and some that many have. */
    const wordOf = (index: number): string => createHash('sha256').update(`word ${index}`).digest('hex').slice(0, 16);
    const told = (user: string, index: number): IndexedMemory => {
      const text = `${wordOf(index)} and common${index % 7} and ${wordOf(index)} usual${index % 100}`;
      return indexMemory(newMemory(user, { id: `id-${index}`, text }), vectorOf(index));
    };
    const wordsStanding = async (indices: readonly number[]): Promise<string[]> => {
      const names = await readdir(folder);
      const contents = await Promise.all(names.map((name) => readFile(join(folder, name), 'latin1')));
      const words = indices.map(wordOf);
      return words.filter((word) => contents.some((content) => content.includes(word)));
    };
    const all = Array.from({ length: 400 }, (_, index) => index);
    const isGone = (index: number): boolean => index % 8 === 0;

    beforeEach(async () => {
      sut = new SqliteMemoryStore(database, { maxMemories: 10_000, maxBytes: 10_000_000, maxDecisions: 10 });
      // In many transactions, so that the index merges what it wrote earlier.
      for (let start = 0; start < all.length; start += 10) {
        await sut.put(
          'ada',
          all.slice(start, start + 10).map((index) => told('ada', index)),
        );
      }
    });

    it('of deleted memories stand nowhere in file and log, and those of others are found', async () => {
      expect(await wordsStanding(all)).toHaveLength(all.length);

      for (const index of all.filter(isGone)) await sut.delete('ada', `id-${index}`);

      expect(await wordsStanding(all.filter(isGone))).toEqual([]);
      for (const index of all) {
        const found = await sut.candidates('ada', { terms: told('ada', index).terms.slice(0, 1), limit: 5 });
        expect(found.map(({ memory }) => memory.id)).toEqual(isGone(index) ? [] : [`id-${index}`]);
      }
    });

    it('of a forgotten user and of what made room stand nowhere either', async () => {
      const small = new SqliteMemoryStore(database, { maxMemories: 250, maxBytes: 10_000_000, maxDecisions: 10 });
      await small.put('ada', [told('ada', 1_000)]);
      await small.put('bob', [told('bob', 2_000)]);
      const kept = (await small.list('ada', { limit: 1_000 })).map(({ id }) => Number(id.slice('id-'.length)));
      expect(kept).toHaveLength(250);
      await database.scrub();
      expect((await wordsStanding([...all, 1_000])).toSorted()).toEqual(kept.map(wordOf).toSorted());

      await small.forget('ada', 'mark');

      expect(await wordsStanding([...all, 1_000])).toEqual([]);
      expect(await wordsStanding([2_000])).toHaveLength(1);
    });

    it('are taken out when they are indexed anew', async () => {
      const { memory, digest } = told('ada', 0);
      await sut.reindexing.put([{ memory, digest, terms: ['other'] }]);

      expect(await sut.candidates('ada', { terms: told('ada', 0).terms.slice(0, 1), limit: 5 })).toEqual([]);
      expect(await sut.candidates('ada', { terms: ['other'], limit: 5 })).toMatchObject([{ memory: { id: 'id-0' } }]);
    });
  });
});
