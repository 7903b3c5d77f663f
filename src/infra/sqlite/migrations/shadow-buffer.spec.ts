import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as sqliteVec from 'sqlite-vec';
import { SqliteMemoryStore } from '../../../memory/adapters/sqlite/sqlite-memory-store.js';
import { SqliteDatabase } from '../index.js';
import { MIGRATIONS } from './index.js';
import { endShadowBuffer } from './shadow-buffer.js';

describe(endShadowBuffer.name, () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'shadow-'));
  });

  afterEach(async () => {
    await rm(folder, { recursive: true });
  });

  it('keeps what has not expired, with its vectors of every space, and nothing of what has', async () => {
    const path = join(folder, 'brain.sqlite');
    const old = new DatabaseSync(path, { allowExtension: true });
    sqliteVec.load(old);
    for (const step of MIGRATIONS.slice(0, MIGRATIONS.indexOf(endShadowBuffer))) old.exec(String(step));
    old.exec(`PRAGMA user_version = ${MIGRATIONS.indexOf(endShadowBuffer)}`);
    const memory = old.prepare(`
      INSERT INTO memories (seq, user_id, id, expires_at_ms, generation, text, role, created_at_ms, source, metadata, count, last_seen_at_ms)
      VALUES (?, 'ada', ?, ?, 1, ?, 'user', 1, 'worker', '{}', 1, 1)`);
    const names = ['kept', 'waiting', 'expired'];
    const expiries = [null, Date.now() + 3_600_000, Date.now() - 1];
    for (const [index, name] of names.entries()) memory.run(index + 1, name, expiries[index] ?? null, name);
    for (const [generation, isNext] of [
      [1, 0],
      [2, 1],
    ] as const) {
      const table = `memory_vectors_${generation}`;
      old.exec(`
        INSERT INTO memory_spaces VALUES (${generation}, 'model ${generation}', 3, ${isNext});
        CREATE VIRTUAL TABLE ${table} USING vec0(
          owner TEXT PARTITION KEY, embedding FLOAT[3] DISTANCE_METRIC=cosine, CHUNK_SIZE=8);
        CREATE INDEX ${table}_chunks_by_owner ON ${table}_chunks (partition00)`);
      const add = old.prepare(`INSERT INTO ${table} (rowid, owner, embedding) VALUES (?, ?, ?)`);
      for (const index of names.keys()) {
        const vector = Float32Array.from({ length: 3 }, (_, axis) => (axis === index ? 1 : 0));
        add.run(BigInt(index + 1), index === 0 ? 'memory:ada' : 'shadow:ada', new Uint8Array(vector.buffer));
      }
    }
    old.close();

    const database = await SqliteDatabase.open(path);
    const store = new SqliteMemoryStore(database, { maxMemories: 10, maxBytes: 1_000, maxDecisions: 10 });

    const found = await store.candidates('ada', { vector: Float32Array.of(0, 1, 0), limit: 10 });
    expect(found.map(({ memory: { id }, cosine }) => [id, cosine])).toEqual([
      ['waiting', expect.closeTo(1)],
      ['kept', expect.closeTo(0)],
    ]);
    for (const generation of [1, 2]) {
      const left = database.prepare(`SELECT rowid, owner FROM memory_vectors_${generation} ORDER BY rowid`).all();
      expect(left.map(({ rowid, owner }) => [rowid, owner])).toEqual([
        [1, 'memory:ada'],
        [2, 'memory:ada'],
      ]);
    }
    expect(await store.usage('ada')).toMatchObject({ memories: 2 });
    await database.close();
  });
});
