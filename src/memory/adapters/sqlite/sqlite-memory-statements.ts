import type { SqliteDatabase, SqliteStatement } from '../../../infra/sqlite/index.js';

/** Of the table; what is superseded names what supersedes it, and not the other way round. */
const STORED_COLUMNS = [
  'id',
  'text',
  'user_id',
  'session_id',
  'role',
  'created_at_ms',
  'perplexity',
  'avg_logprob',
  'information_nats',
  'novelty',
  'surprise',
  'model',
  'source',
  'metadata',
  'is_question',
  'is_pinned',
  'count',
  'last_seen_at_ms',
  'recall_count',
  'last_recalled_at_ms',
  'valid_from_ms',
  'superseded_by',
  'superseded_at_ms',
  'superseded_reason',
  'supersession_score',
  'v',
] as const;

/** All columns that are written: the others are what is kept beside a memory. */
export const COLUMNS = [
  ...STORED_COLUMNS,
  'generation',
  'bytes',
  'retention',
  'digest',
  'terms_version',
  'term_count',
  'words',
] as const;
export type Column = (typeof COLUMNS)[number];

/** All of a memory. */
export const MEMORY_COLUMNS = `seq, ${STORED_COLUMNS.join(', ')}, context, words, (
    SELECT json_group_array(older.id ORDER BY older.superseded_at_ms DESC, older.seq DESC) FROM memories AS older
    WHERE older.user_id = memories.user_id AND older.superseded_by = memories.id
  ) AS supersedes`;

export interface MemoryStatements {
  /** All columns by name. */
  readonly insert: SqliteStatement;
  /** user id, id */
  readonly locate: SqliteStatement;
  /** seq */
  readonly read: SqliteStatement;
  /** seq */
  readonly termCount: SqliteStatement;
  /** user id, id */
  readonly get: SqliteStatement;
  /** user id, digest */
  readonly findText: SqliteStatement;
  /** user id */
  readonly counts: SqliteStatement;
  /** seq: the columns that are needed to remove a memory. */
  readonly removable: SqliteStatement;
  /** seq */
  readonly remove: SqliteStatement;
  /** times, seen at, seq */
  readonly count: SqliteStatement;
  /** is pinned, metadata, bytes, seq */
  readonly change: SqliteStatement;
  /** recalled at, retention, seq */
  readonly recall: SqliteStatement;

  /** superseded by, at, reason, score, seq */
  readonly supersede: SqliteStatement;
  /** valid from, seq: nothing supersedes it any more. */
  readonly hold: SqliteStatement;
  /** user id, id: nothing that this one superseded is superseded any more. */
  readonly free: SqliteStatement;
  /** to id, user id, from id: moves the superseded memories of one memory to another. */
  readonly passOn: SqliteStatement;

  /** user id, limit: the memories of the lowest retention that are not pinned, lowest first. */
  readonly leastRetained: SqliteStatement;
  /** seq, user id, limit: the first superseded of all that a memory supersedes in the end; pinned only if all are. */
  readonly firstSuperseded: SqliteStatement;

  /** user id, highest seq, count */
  readonly someOfUser: SqliteStatement;
  /** user id */
  readonly highestSeq: SqliteStatement;

  /** generation, limit: memories that have no newer vector than that generation's. */
  readonly pending: SqliteStatement;
  /** user id, id, text: the memory as {@link pending} gave it. */
  readonly locatePending: SqliteStatement;
  /** generation, seq */
  readonly setGeneration: SqliteStatement;
  /** to generation, from generation */
  readonly resetGeneration: SqliteStatement;
  /** generation */
  readonly progress: SqliteStatement;

  /** name: where it is not known yet. */
  readonly addTermsVersion: SqliteStatement;
  /** name */
  readonly termsVersion: SqliteStatement;
  /** after terms version, after seq, terms version that is not pending, limit: in the order of those two. */
  readonly pendingReindexing: SqliteStatement;
  /** terms version */
  readonly reindexingProgress: SqliteStatement;
  /** v, is question, bytes, retention, digest, terms version, term count, words, seq */
  readonly reindex: SqliteStatement;
}

export function prepareStatements(database: SqliteDatabase): MemoryStatements {
  const prepare = (sql: string): SqliteStatement => database.prepare(sql);
  return {
    insert: prepare(`
      INSERT INTO memories (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((name) => `:${name}`).join(', ')})`),
    locate: prepare(
      'SELECT seq, id, superseded_by, superseded_at_ms, valid_from_ms FROM memories WHERE user_id = ? AND id = ?',
    ),
    read: prepare(`SELECT ${MEMORY_COLUMNS} FROM memories WHERE seq = ?`),
    termCount: prepare('SELECT term_count FROM memories WHERE seq = ?'),
    get: prepare(`SELECT ${MEMORY_COLUMNS} FROM memories WHERE user_id = ? AND id = ?`),
    findText: prepare(
      'SELECT seq, id, superseded_by, superseded_at_ms, valid_from_ms FROM memories WHERE user_id = ? AND digest = ?',
    ),
    counts: prepare('SELECT * FROM memory_counts WHERE user_id = ?'),
    removable: prepare(`
      SELECT user_id, user, id, text, words, memories.terms, superseded_by FROM memories JOIN memory_counts USING (user_id) WHERE seq = ?`),
    remove: prepare('DELETE FROM memories WHERE seq = ?'),
    count: prepare('UPDATE memories SET count = count + ?, last_seen_at_ms = max(last_seen_at_ms, ?) WHERE seq = ?'),
    change: prepare('UPDATE memories SET is_pinned = ?, metadata = ?, bytes = ? WHERE seq = ?'),
    recall: prepare(`
      UPDATE memories SET recall_count = recall_count + 1, last_recalled_at_ms = max(coalesce(last_recalled_at_ms, 0), ?),
        retention = ? WHERE seq = ?`),

    supersede: prepare(`
      UPDATE memories SET superseded_by = ?, superseded_at_ms = ?, superseded_reason = ?, supersession_score = ?
      WHERE seq = ?`),
    hold: prepare(`
      UPDATE memories SET superseded_by = NULL, superseded_at_ms = NULL, superseded_reason = NULL,
        supersession_score = NULL, valid_from_ms = ? WHERE seq = ?`),
    free: prepare(`
      UPDATE memories SET superseded_by = NULL, superseded_at_ms = NULL, superseded_reason = NULL,
        supersession_score = NULL WHERE user_id = ? AND superseded_by = ?`),
    passOn: prepare('UPDATE memories SET superseded_by = ? WHERE user_id = ? AND superseded_by = ?'),

    leastRetained: prepare(`
      SELECT seq FROM memories WHERE user_id = ? AND is_pinned = 0 ORDER BY retention, seq LIMIT ?`),
    firstSuperseded: prepare(`
      WITH RECURSIVE chain (seq, id, is_pinned, since) AS (
        SELECT seq, id, is_pinned, NULL FROM memories WHERE seq = ?
        UNION
        SELECT older.seq, older.id, older.is_pinned, older.superseded_at_ms FROM chain
        JOIN memories AS older ON older.user_id = ? AND older.superseded_by = chain.id
        LIMIT ?
      )
      SELECT seq, is_pinned FROM chain WHERE since IS NOT NULL ORDER BY is_pinned, since, seq LIMIT 1`),

    someOfUser: prepare('SELECT seq FROM memories WHERE user_id = ? AND seq <= ? LIMIT ?'),
    highestSeq: prepare('SELECT max(seq) AS seq FROM memories WHERE user_id = ?'),

    pending: prepare('SELECT user_id, id, text FROM memories WHERE generation = ? LIMIT ?'),
    locatePending: prepare('SELECT seq, text, words, terms FROM memories WHERE user_id = ? AND id = ? AND text = ?'),
    setGeneration: prepare('UPDATE memories SET generation = ? WHERE seq = ?'),
    resetGeneration: prepare('UPDATE memories SET generation = ? WHERE generation = ?'),
    progress: prepare('SELECT count(*) AS total, count(*) FILTER (WHERE generation = ?) AS done FROM memories'),

    addTermsVersion: prepare('INSERT INTO memory_terms_versions (name) VALUES (?) ON CONFLICT DO NOTHING'),
    termsVersion: prepare('SELECT number FROM memory_terms_versions WHERE name = ?'),
    pendingReindexing: prepare(`
      SELECT terms_version, ${MEMORY_COLUMNS} FROM memories WHERE (terms_version, seq) > (?, ?) AND terms_version <> ?
      ORDER BY terms_version, seq LIMIT ?`),
    reindexingProgress: prepare(`
      SELECT count(*) AS total, count(*) FILTER (WHERE terms_version = ?) AS done FROM memories`),
    reindex: prepare(`
      UPDATE memories SET v = ?, is_question = ?, bytes = ?, retention = ?, digest = ?,
        terms_version = ?, term_count = ?, words = ?, context = '', terms = NULL WHERE seq = ?`),
  };
}
