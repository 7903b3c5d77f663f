import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SqliteDatabase } from '../../../src/infra/sqlite/index.js';
import { SqliteSessionStore } from '../../../src/sessions/adapters/sqlite/sqlite-session-store.js';
import type { SessionStoreHarness } from './session-store.contract.js';
import { takeTablesAway } from '../../support/sqlite-outage.js';

/** Each store has a connection of its own to one file in a folder of its own. */
export async function makeSqliteHarness(): Promise<SessionStoreHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'session-store-'));
  const path = join(folder, 'brain.sqlite');
  const opened: SqliteDatabase[] = [];

  const closeAll = async (): Promise<void> => {
    for (const database of opened.splice(0)) await database.close();
  };
  return {
    async open(limits) {
      const database = await SqliteDatabase.open(path);
      opened.push(database);
      return new SqliteSessionStore(database, { maxTurns: 100, ttlMs: 60_000, ...limits });
    },
    async damageTurn() {
      const outside = new DatabaseSync(path);
      outside.exec(`UPDATE session_turns SET role = 'alien' WHERE seq = (SELECT min(seq) FROM session_turns)`);
      outside.close();
    },
    beginOutage: () => takeTablesAway(path, ['sessions', 'session_turns', 'forget_marks']),
    closeAll,
    async dispose() {
      await closeAll();
      await rm(folder, { recursive: true });
    },
  };
}
