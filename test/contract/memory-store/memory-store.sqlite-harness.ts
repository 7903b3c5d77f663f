import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SqliteDatabase } from '../../../src/infra/sqlite/index.js';
import { SqliteMemoryStore } from '../../../src/memory/adapters/sqlite/sqlite-memory-store.js';
import { type MemoryStoreHarness, TEST_LIMITS } from './memory-store.harness.js';
import { termsIn } from '../../../src/memory/adapters/sqlite/sqlite-packed-words.js';
import { SqliteTermIndex } from '../../../src/memory/adapters/sqlite/search/sqlite-term-index.js';
import { takeTablesAway } from '../../support/sqlite-outage.js';

const TABLES = [
  'memory_spaces',
  'memories',
  'memory_counts',
  'memory_terms',
  'memory_decisions',
  'memory_statistics',
  'forget_marks',
];

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
      return new SqliteMemoryStore(database, { ...TEST_LIMITS, ...limits });
    },
    async damage({ kind, id, how }) {
      const outside = new DatabaseSync(path);
      if (kind === 'statistics') {
        outside.prepare(`UPDATE memory_statistics SET sums = '[1' WHERE user_id = 'ada' AND model = ?`).run(id);
      } else if (kind === 'decision') {
        const change = how === 'newer' ? `json_set(decision, '$.v', 3)` : `'{"kept":'`;
        outside.prepare(`UPDATE memory_decisions SET decision = ${change} WHERE user_id = 'ada' AND id = ?`).run(id);
      } else {
        const change = how === 'newer' ? 'v = 3' : `metadata = '{'`;
        outside.prepare(`UPDATE memories SET ${change} WHERE user_id = 'ada' AND id = ?`).run(id);
      }
      outside.close();
    },
    async unindex(id) {
      const database = await SqliteDatabase.open(path);
      const row = database
        .prepare(
          `SELECT seq, user, text, words, memories.terms FROM memories JOIN memory_counts USING (user_id)
          WHERE user_id = 'ada' AND id = ?`,
        )
        .get(id);
      const seq = Number(row?.seq);
      const terms = termsIn({ text: row?.text, words: row?.words, terms: row?.terms });
      new SqliteTermIndex(database).remove(Number(row?.user), seq, terms!);
      database
        .prepare(
          'UPDATE memories SET v = 1, digest = NULL, terms_version = 0, term_count = NULL, words = NULL WHERE seq = ?',
        )
        .run(seq);
      await database.close();
    },
    beginOutage: () => takeTablesAway(path, TABLES),
    closeAll,
    async dispose() {
      await closeAll();
      await rm(folder, { recursive: true });
    },
  };
}
