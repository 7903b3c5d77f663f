import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { until } from '../../../test/support/until.js';
import { SqliteDatabase, SqliteFileError } from './index.js';
import { MIGRATIONS } from './migrations/index.js';

describe(SqliteDatabase.name, () => {
  let folder: string;
  let path: string;
  let sut: SqliteDatabase | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sqlite-'));
    path = join(folder, 'deep', 'er', 'brain.sqlite');
  });

  afterEach(async () => {
    await sut?.close();
    sut = undefined;
    await rm(folder, { recursive: true });
  });

  const count = (database: SqliteDatabase): unknown =>
    database.prepare('SELECT count(*) AS n FROM stream_settled_ids').get()?.n;

  it('makes its folder, for the owner only', async () => {
    sut = await SqliteDatabase.open(path);

    expect((await stat(join(folder, 'deep', 'er'))).mode & 0o777).toBe(0o700);
  });

  it('can be opened many times at once, the first time, too', async () => {
    const opened = await Promise.all(Array.from({ length: 5 }, () => SqliteDatabase.open(path)));

    for (const database of opened) {
      expect(count(database)).toBe(0);
      await database.close();
    }
  });

  it('rejects a file that a newer version wrote, and leaves it as it is', async () => {
    await (await SqliteDatabase.open(path)).close();
    const newer = new DatabaseSync(path);
    newer.exec('PRAGMA user_version = 999');
    newer.close();

    await expect(SqliteDatabase.open(path)).rejects.toThrow(SqliteFileError);

    const untouched = new DatabaseSync(path);
    expect(untouched.prepare('PRAGMA user_version').get()?.user_version).toBe(999);
    untouched.close();
  });

  it('brings a file of any older version up to date, and keeps what is in it', async () => {
    path = join(folder, 'old.sqlite');
    const old = new DatabaseSync(path);
    old.exec(`${String(MIGRATIONS[0])}; INSERT INTO stream_settled_ids (id) VALUES ('kept'); PRAGMA user_version = 1`);
    old.close();

    sut = await SqliteDatabase.open(path);

    expect(count(sut)).toBe(1);
    expect(sut.prepare('SELECT count(*) AS n FROM memories').get()?.n).toBe(0);
  });

  it('rejects a file that is no database', async () => {
    path = join(folder, 'text');
    await writeFile(path, 'this is a letter to my aunt, not a database'.repeat(100));

    await expect(SqliteDatabase.open(path)).rejects.toThrow('not a database');
  });

  it('does all of a transaction or nothing', async () => {
    sut = await SqliteDatabase.open(path);
    const insert = sut.prepare('INSERT INTO stream_settled_ids (id) VALUES (?)');

    const failing = sut.transaction(() => {
      insert.run('a');
      throw new Error('half way');
    });

    await expect(failing).rejects.toThrow('half way');
    expect(count(sut)).toBe(0);
    await sut.transaction(() => insert.run('b'));
    expect(count(sut)).toBe(1);
  });

  it('reads one state of the file while another process writes', async () => {
    sut = await SqliteDatabase.open(path);
    const database = sut;
    const other = new DatabaseSync(path);

    const seen = await sut.snapshot(() => {
      const before = count(database);
      other.exec(`INSERT INTO stream_settled_ids (id) VALUES ('a')`);
      return [before, count(database)];
    });

    expect(seen).toEqual([0, 0]);
    expect(count(sut)).toBe(1);
    other.close();
  });

  it('reads while another process holds the lock for writing', async () => {
    sut = await SqliteDatabase.open(path);
    const database = sut;
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');

    expect(await sut.snapshot(() => count(database))).toBe(0);
    other.close();
  });

  it('searches vectors, and lets nobody load another extension', async () => {
    sut = await SqliteDatabase.open(path);

    expect(sut.prepare(`SELECT vec_distance_cosine('[1, 0]', '[0, 2]') AS d`).get()?.d).toBeCloseTo(1);
    const load = sut.prepare(`SELECT load_extension('anything')`);
    expect(() => load.get()).toThrow('not authorized');
  });

  it('waits for another process’s lock without blocking the event loop', async () => {
    sut = await SqliteDatabase.open(path);
    const insert = sut.prepare('INSERT INTO stream_settled_ids (id) VALUES (?)');
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');

    const writing = sut.transaction(() => insert.run('a'));
    // Only a free event loop gets here while the lock is held.
    for (let turn = 0; turn < 10; turn++) await new Promise(setImmediate);
    expect(count(sut)).toBe(0);
    other.exec('COMMIT');
    await writing;

    expect(count(sut)).toBe(1);
    other.close();
  });

  it('stops waiting for a lock when it is aborted', async () => {
    sut = await SqliteDatabase.open(path);
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const abort = new AbortController();

    const writing = sut.transaction(() => undefined, abort.signal);
    abort.abort();

    // While the lock is held: it did not wait for its end.
    await expect(writing).rejects.toThrow('locked');
    other.close();
  });

  it('empties its log of what was deleted, as soon as nobody reads it any more', async () => {
    sut = await SqliteDatabase.open(path);
    const database = sut;
    await sut.transaction(() => database.prepare(`INSERT INTO stream_settled_ids (id) VALUES ('secret')`).run());
    const reader = new DatabaseSync(path);
    reader.exec('BEGIN');
    reader.prepare('SELECT count(*) FROM stream_settled_ids').get();
    await sut.transaction(() => database.prepare('DELETE FROM stream_settled_ids').run());

    const scrubbing = sut.scrub();
    expect((await readFile(`${path}-wal`)).includes('secret')).toBe(true);
    reader.close();
    await scrubbing;
    // Where the machine was too busy for the first attempts, it is tried again behind the caller.
    await until(async () => (await stat(`${path}-wal`)).size === 0, 'an empty log');

    expect((await readFile(path)).includes('secret')).toBe(false);
  });
});
