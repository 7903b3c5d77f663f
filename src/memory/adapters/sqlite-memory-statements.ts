import type { SqliteDatabase, SqliteStatement } from '../../infra/sqlite/index.js';

const MEMORY_COLUMNS = `id, text, user_id, session_id, role, created_at_ms, perplexity, avg_logprob, novelty, surprise, model,
  source, metadata, count, last_seen_at_ms, v`;

export interface MemoryStatements {
  /** generation, expires_at_ms, the columns of a memory. */
  readonly insert: SqliteStatement;
  /** user id, id */
  readonly locate: SqliteStatement;
  /** seq */
  readonly read: SqliteStatement;
  /** user id, id */
  readonly get: SqliteStatement;
  /** user id, limit */
  readonly list: SqliteStatement;
  /** user id, after id, limit */
  readonly listAfter: SqliteStatement;
  /** user id, user id, now */
  readonly count: SqliteStatement;
  /** user id: shadow entries, expired ones included, and decisions. */
  readonly sizes: SqliteStatement;
  /** seq */
  readonly remove: SqliteStatement;
  /** generation, seq: out of the shadow buffer. */
  readonly promote: SqliteStatement;
  /** seen at, user id, id */
  readonly strengthen: SqliteStatement;

  /** now, count: of all users. */
  readonly expired: SqliteStatement;
  /** user id, how many: those that expire first. */
  readonly firstToExpire: SqliteStatement;
  /** user id, highest seq, count */
  readonly someOfUser: SqliteStatement;
  /** user id */
  readonly highestSeq: SqliteStatement;

  /** user id, id, decided at, decision: nothing where there is one. */
  readonly decide: SqliteStatement;
  /** user id, limit */
  readonly decisions: SqliteStatement;
  /** user id, how many: the oldest. */
  readonly removeOldestDecisions: SqliteStatement;
  /** user id */
  readonly removeDecisions: SqliteStatement;

  /** user id, model */
  readonly sums: SqliteStatement;
  /** user id, model, sums */
  readonly putSums: SqliteStatement;
  /** user id */
  readonly removeSums: SqliteStatement;

  /** generation, now, limit: memories that have no newer vector than that generation's. */
  readonly pending: SqliteStatement;
  /** user id, id, text: the memory as {@link pending} gave it. */
  readonly locatePending: SqliteStatement;
  /** generation */
  readonly removeOfGeneration: SqliteStatement;
  /** generation, seq */
  readonly setGeneration: SqliteStatement;
  /** to generation, from generation */
  readonly resetGeneration: SqliteStatement;
  /** generation, now */
  readonly progress: SqliteStatement;
}

export function prepareStatements(database: SqliteDatabase): MemoryStatements {
  const prepare = (sql: string): SqliteStatement => database.prepare(sql);
  return {
    insert: prepare(`
      INSERT INTO memories (generation, expires_at_ms, ${MEMORY_COLUMNS})
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`),
    locate: prepare('SELECT seq, expires_at_ms FROM memories WHERE user_id = ? AND id = ?'),
    read: prepare(`SELECT ${MEMORY_COLUMNS} FROM memories WHERE seq = ?`),
    get: prepare(`SELECT ${MEMORY_COLUMNS} FROM memories WHERE user_id = ? AND id = ? AND expires_at_ms IS NULL`),
    list: prepare(`
      SELECT ${MEMORY_COLUMNS} FROM memories WHERE user_id = ? AND expires_at_ms IS NULL ORDER BY id DESC LIMIT ?`),
    listAfter: prepare(`
      SELECT ${MEMORY_COLUMNS} FROM memories WHERE user_id = ? AND expires_at_ms IS NULL AND id < ?
      ORDER BY id DESC LIMIT ?`),
    count: prepare(`
      SELECT (SELECT memories FROM memory_counts WHERE user_id = ?) AS memories,
        (SELECT count(*) FROM memories WHERE user_id = ? AND expires_at_ms > ?) AS shadow`),
    sizes: prepare('SELECT shadow, decisions FROM memory_counts WHERE user_id = ?'),
    remove: prepare('DELETE FROM memories WHERE seq = ?'),
    promote: prepare(`UPDATE memories SET expires_at_ms = NULL, source = 'promoted', generation = ? WHERE seq = ?`),
    strengthen: prepare(`
      UPDATE memories SET count = count + 1, last_seen_at_ms = max(last_seen_at_ms, ?)
      WHERE user_id = ? AND id = ? AND expires_at_ms IS NULL`),

    expired: prepare('SELECT seq FROM memories WHERE expires_at_ms <= ? LIMIT ?'),
    firstToExpire: prepare(`
      SELECT seq FROM memories WHERE user_id = ? AND expires_at_ms IS NOT NULL ORDER BY expires_at_ms, id LIMIT ?`),
    someOfUser: prepare('SELECT seq, expires_at_ms FROM memories WHERE user_id = ? AND seq <= ? LIMIT ?'),
    highestSeq: prepare('SELECT max(seq) AS seq FROM memories WHERE user_id = ?'),

    decide: prepare(`
      INSERT INTO memory_decisions (user_id, id, decided_at_ms, decision) VALUES (?, ?, ?, ?)
      ON CONFLICT (user_id, id) DO NOTHING`),
    decisions: prepare(`
      SELECT id, decision FROM memory_decisions WHERE user_id = ? ORDER BY decided_at_ms DESC, id DESC LIMIT ?`),
    removeOldestDecisions: prepare(`
      DELETE FROM memory_decisions WHERE seq IN (
        SELECT seq FROM memory_decisions WHERE user_id = ? ORDER BY decided_at_ms, id LIMIT ?
      )`),
    removeDecisions: prepare('DELETE FROM memory_decisions WHERE user_id = ?'),

    sums: prepare('SELECT sums FROM memory_statistics WHERE user_id = ? AND model = ?'),
    putSums: prepare(`
      INSERT INTO memory_statistics (user_id, model, sums) VALUES (?, ?, ?)
      ON CONFLICT (user_id, model) DO UPDATE SET sums = excluded.sums`),
    removeSums: prepare('DELETE FROM memory_statistics WHERE user_id = ?'),

    pending: prepare(`
      SELECT user_id, id, expires_at_ms, text FROM memories
      WHERE generation = ? AND (expires_at_ms IS NULL OR expires_at_ms > ?) LIMIT ?`),
    locatePending: prepare('SELECT seq, expires_at_ms FROM memories WHERE user_id = ? AND id = ? AND text = ?'),
    removeOfGeneration: prepare('DELETE FROM memories WHERE generation = ?'),
    setGeneration: prepare('UPDATE memories SET generation = ? WHERE seq = ?'),
    resetGeneration: prepare('UPDATE memories SET generation = ? WHERE generation = ?'),
    progress: prepare(`
      SELECT count(*) AS total, count(*) FILTER (WHERE generation = ?) AS done
      FROM memories WHERE expires_at_ms IS NULL OR expires_at_ms > ?`),
  };
}
