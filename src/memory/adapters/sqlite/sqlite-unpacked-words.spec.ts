import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { deflateRawSync } from 'node:zlib';
import { SqliteDatabase } from '../../../infra/sqlite/index.js';
import { indexMemory, indexWords } from '../../remember/indexed-memory.js';
import type { IndexedMemory } from '../../store/memory-store.port.js';
import { newMemory } from '../../remember/new-memory.js';
import { SqliteMemoryStore } from './sqlite-memory-store.js';

const LIMITS = { maxMemories: 100, maxBytes: 1_000_000, maxDecisions: 10 };
const VECTOR = Float32Array.of(1, 0, 0, 0);

const told = (id: string): IndexedMemory =>
  indexMemory(newMemory('ada', { id, text: `The text of ${id}.`, context: `What was said before ${id}.` }), VECTOR);
/** Each term once, with a tab and how often it comes where that is more than once. */
function listOf(terms: readonly string[]): string {
  const counted = [...new Set(terms)].map((term) => [term, terms.filter((other) => other === term).length] as const);
  return counted.map(([term, count]) => (count === 1 ? term : `${term}\t${count}`)).join(' ');
}

const MEMORIES = ['quartz', 'feldspar', 'basalt'].map(told);

describe('a store whose contexts and terms are not packed', () => {
  let folder: string;
  let path: string;
  let database: SqliteDatabase;
  let sut: SqliteMemoryStore;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'unpacked-'));
    path = join(folder, 'brain.sqlite');
    database = await SqliteDatabase.open(path);
    sut = new SqliteMemoryStore(database, LIMITS);
    await sut.claimSpace({ model: 'small', dimensions: VECTOR.length });
    await sut.put('ada', MEMORIES);
    await database.close();
    takeBack();
    database = await SqliteDatabase.open(path);
    sut = new SqliteMemoryStore(database, LIMITS);
  });

  afterEach(async () => {
    await database.close();
    await rm(folder, { recursive: true });
  });

  /** Makes the file what version 8 of its schema wrote. */
  function takeBack(): void {
    const outside = new DatabaseSync(path);
    const write = outside.prepare('UPDATE memories SET context = ?, terms = ?, words = NULL WHERE id = ?');
    for (const { memory, terms } of MEMORIES) {
      write.run(memory.context, deflateRawSync(listOf(terms)), memory.id);
    }
    outside.exec('DROP TABLE memory_counted_ids; ALTER TABLE memories DROP COLUMN words; PRAGMA user_version = 8');
    outside.close();
  }

  const idsFound = async (terms: readonly string[]): Promise<string[]> =>
    (await sut.candidates('ada', { terms, limit: 10 })).map(({ memory }) => memory.id);

  it('has all of it, and waits for being indexed anew', async () => {
    expect(await sut.get('ada', 'feldspar')).toEqual(MEMORIES[1]!.memory);
    expect(await idsFound(['feldspar'])).toEqual(['feldspar']);
    expect(await sut.reindexing.progress()).toEqual({ total: 3, done: 0 });
  });

  it('is packed by that, with nothing lost and nothing left of what it was', async () => {
    const [one] = await sut.reindexing.pending(1);
    await sut.reindexing.put([indexWords(one!)]);
    expect(await sut.reindexing.progress()).toEqual({ total: 3, done: 1 });

    await sut.reindexing.put((await sut.reindexing.pending(10)).map(indexWords));
    await database.scrub();

    expect(await sut.reindexing.pending(10)).toEqual([]);
    for (const { memory } of MEMORIES) {
      expect(await sut.get('ada', memory.id)).toEqual(memory);
      expect(await idsFound([memory.id])).toEqual([memory.id]);
    }
    const contents = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'latin1')));
    expect(contents.some((content) => content.includes('What was said before'))).toBe(false);
  });

  it('lets memories be deleted without a term left, before or after', async () => {
    await sut.delete('ada', 'quartz');
    const [feldspar] = await sut.reindexing.pending(1);
    await sut.reindexing.put([indexWords(feldspar!)]);
    await sut.delete('ada', 'feldspar');

    expect(await idsFound(['quartz', 'feldspar', 'text'])).toEqual(['basalt']);
    const contents = await Promise.all((await readdir(folder)).map((name) => readFile(join(folder, name), 'latin1')));
    expect(contents.some((content) => /quartz|feldspar/u.test(content))).toBe(false);
  });
});
