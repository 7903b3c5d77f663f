import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SqliteDatabase } from '../../../src/infra/sqlite/index.js';
import { SqliteSessionStore } from '../../../src/sessions/adapters/sqlite/sqlite-session-store.js';

/** What only the embedded adapter has to do, beside the contract. */
export function describeSqliteSessionStore(): void {
  describe(SqliteSessionStore.name, () => {
    it('removes the expired sessions of all users with the next appends, a portion each', async () => {
      const folder = await mkdtemp(join(tmpdir(), 'session-store-'));
      const path = join(folder, 'brain.sqlite');
      const database = await SqliteDatabase.open(path);
      const outside = new DatabaseSync(path);
      const turn = { role: 'user', text: 'hello', atMs: 1, isPrivate: false } as const;
      const countRows = (table: string): unknown => outside.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n;
      const brief = new SqliteSessionStore(database, { maxTurns: 10, ttlMs: 0 });
      const sut = new SqliteSessionStore(database, { maxTurns: 10, ttlMs: 60_000 });
      const insertSession = outside.prepare(
        'INSERT INTO sessions (user_id, session_id, expires_at_ms) VALUES (?, ?, 1)',
      );
      for (let user = 0; user < 20; user++) insertSession.run(`user ${user}`, 's');
      await brief.append('ada', 'old', [turn, turn]);
      expect(countRows('sessions')).toBe(13);

      for (let i = 0; i < 3; i++) await sut.append('ada', 's', [turn]);

      expect(countRows('sessions')).toBe(1);
      expect(countRows('session_turns')).toBe(3);
      outside.close();
      await database.close();
      await rm(folder, { recursive: true });
    });
  });
}
