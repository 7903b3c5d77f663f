import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteDatabase } from '../../infra/sqlite/index.js';
import { indexMemory } from '../indexed-memory.js';
import { newMemory } from '../memory.service.js';
import type { PutOutcome } from '../memory-store.port.js';
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
});
