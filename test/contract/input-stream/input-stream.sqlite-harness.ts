import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SqliteDatabase } from '../../../src/infra/sqlite/index.js';
import { SqliteDeadLetterStore } from '../../../src/stream/adapters/sqlite/sqlite-dead-letter-store.js';
import { SqliteInputStream } from '../../../src/stream/adapters/sqlite/sqlite-input-stream.js';
import type { InputStreamHarness } from './input-stream.fixtures.js';

/** Each consumer has a connection of its own to one file in a folder of its own. */
export async function makeSqliteHarness(): Promise<InputStreamHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'input-stream-'));
  const path = join(folder, 'brain.sqlite');
  // Makes the file and its schema.
  const opened = [await SqliteDatabase.open(path)];
  const outside = new DatabaseSync(path);

  const connect = async (): Promise<SqliteDatabase> => {
    const database = await SqliteDatabase.open(path);
    opened.push(database);
    return database;
  };

  return {
    async open(consumer, { claimIdleMs = 60_000 } = {}) {
      return new SqliteInputStream(await connect(), { consumer, claimIdleMs });
    },
    async openDeadLetters() {
      return new SqliteDeadLetterStore(await connect());
    },
    async appendFields(fields) {
      const names = Object.keys(fields);
      const marks = names.map(() => '?').join(', ');
      outside
        .prepare(`INSERT INTO stream_entries (${names.join(', ')}) VALUES (${marks})`)
        .run(...Object.values(fields));
    },
    async deadLetters() {
      const rows = outside.prepare('SELECT * FROM stream_dead_letters ORDER BY seq').all();
      return rows.map((row) => ({ ...row, deliveries: String(row.deliveries) }));
    },
    async storedEntries() {
      return Number(outside.prepare('SELECT count(*) AS n FROM stream_entries').get()?.n);
    },
    async refuseDeadLetters() {
      outside.exec(`CREATE TRIGGER refuse BEFORE INSERT ON stream_dead_letters
        BEGIN SELECT RAISE(ABORT, 'refused'); END`);
      return async () => {
        outside.exec('DROP TRIGGER refuse');
      };
    },
    async beginOutage() {
      outside.exec('BEGIN IMMEDIATE');
      return async () => {
        outside.exec('ROLLBACK');
      };
    },
    async dispose() {
      if (outside.isTransaction) outside.exec('ROLLBACK');
      outside.close();
      for (const database of opened) await database.close();
      await rm(folder, { recursive: true });
    },
  };
}
