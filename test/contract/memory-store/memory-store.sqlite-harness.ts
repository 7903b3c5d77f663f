import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteDatabase } from '../../../src/infra/sqlite/index.js';
import { SqliteMemoryStore } from '../../../src/memory/adapters/sqlite-memory-store.js';
import type { MemoryStoreHarness } from './memory-store.contract.js';
import { takeTablesAway } from '../../support/sqlite-outage.js';

const TABLES = ['memory_spaces', 'memories', 'memory_decisions', 'memory_statistics', 'memory_forgotten'];

/** Each store has a connection of its own to one file in a folder of its own. */
export async function makeSqliteHarness(): Promise<MemoryStoreHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'memory-store-'));
  const path = join(folder, 'brain.sqlite');
  const opened: SqliteDatabase[] = [];

  const closeAll = async (): Promise<void> => {
    for (const database of opened.splice(0)) await database.close();
  };
  return {
    async open(limits) {
      const database = await SqliteDatabase.open(path);
      opened.push(database);
      return new SqliteMemoryStore(database, { shadowMaxEntries: 100, maxDecisions: 100, ...limits });
    },
    beginOutage: () => takeTablesAway(path, TABLES),
    closeAll,
    async dispose() {
      await closeAll();
      await rm(folder, { recursive: true });
    },
  };
}
