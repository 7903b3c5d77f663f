import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SqliteDatabase } from './sqlite-database.js';
import { TransactionGroup } from './transaction-group.js';

describe(TransactionGroup.name, () => {
  let folder: string;
  let database: SqliteDatabase;
  let outside: DatabaseSync;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'transaction-group-'));
    database = await SqliteDatabase.open(join(folder, 'brain.sqlite'));
    outside = new DatabaseSync(join(folder, 'brain.sqlite'));
    outside.exec('CREATE TABLE numbers (value INTEGER UNIQUE)');
  });

  afterEach(async () => {
    outside.close();
    await database.close();
    await rm(folder, { recursive: true });
  });

  const inserter = () => {
    const statement = database.prepare('INSERT INTO numbers VALUES (?)');
    return (value: number) => () => void statement.run(value);
  };
  const stored = () =>
    outside
      .prepare('SELECT value FROM numbers ORDER BY rowid')
      .all()
      .map(({ value }) => value);
  // Changes by one with each transaction of another connection that wrote.
  const commits = () => Number(outside.prepare('PRAGMA data_version').get()?.data_version);

  it('commits what comes in one turn of the event loop at once, in order', async () => {
    const sut = new TransactionGroup(database, 10);
    const insert = inserter();
    const seen: unknown[][] = [];
    const before = commits();
    await Promise.all([1, 2, 3].map((value) => sut.run(insert(value)).then(() => seen.push(stored()))));
    expect(seen).toEqual([1, 2, 3].map(() => [1, 2, 3]));
    expect(commits()).toBe(before + 1);
  });

  it('holds no more pieces than it may', async () => {
    const sut = new TransactionGroup(database, 2);
    const insert = inserter();
    const runs = [1, 2, 3, 4, 5].map((value) => sut.run(insert(value)));
    await runs[0];
    expect(stored()).toEqual([1, 2]);
    await Promise.all(runs);
    expect(stored()).toEqual([1, 2, 3, 4, 5]);
  });

  it('stores nothing of a transaction in which a piece fails, and works on', async () => {
    const sut = new TransactionGroup(database, 10);
    const insert = inserter();
    const outcomes = await Promise.allSettled([sut.run(insert(1)), sut.run(insert(1)), sut.run(insert(2))]);
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(stored()).toEqual([]);
    await sut.run(insert(3));
    expect(stored()).toEqual([3]);
  });
});
