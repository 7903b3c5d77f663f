import {
  ForgetMarks,
  type SqliteDatabase,
  sqliteFailuresAs,
  type SqliteStatement,
} from '../../../infra/sqlite/index.js';
import { StoreRefusedError, TickBatcher } from '../../../shared/index.js';
import type { SessionLimits } from '../../session-limits.js';
import { SessionStore, type Turn } from '../../session-store.port.js';
import { SessionStoreUnavailableError } from '../../sessions.errors.js';
import { decodeTurn } from '../stored-turn.js';

// Expired sessions that one append removes. All at once would hold up the event loop after a long pause.
const PURGE_PORTION = 8;
// Once none are left: looking for them takes as long as writing the turns.
const PURGE_INTERVAL_MS = 1_000;
// Appends in one transaction, for which the event loop stands still: 64 take about a millisecond.
const MAX_APPENDS = 64;
// Appends that wait for a transaction. Each holds the turns of a chat in memory.
const MAX_WAITING = 10_000;

const reachingSqlite = sqliteFailuresAs(SessionStoreUnavailableError, StoreRefusedError);

/** {@link SessionStore} in tables of the embedded store. */
export class SqliteSessionStore extends SessionStore {
  private readonly statements: SessionStatements;
  /** Appends of one tick share a commit, which takes longer than the few rows of one chat. */
  private readonly appends: TickBatcher<() => void>;
  private readonly marks: ForgetMarks;
  private nextPurgeAt = 0;

  constructor(
    private readonly database: SqliteDatabase,
    private readonly limits: SessionLimits,
  ) {
    super();
    this.statements = prepareStatements(database);
    const commit = (works: readonly (() => void)[]) =>
      database.transaction(() => {
        for (const work of works) work();
      });
    this.appends = new TickBatcher(commit, {
      maxItems: MAX_APPENDS,
      maxWaiting: MAX_WAITING,
      overflow: () => new SessionStoreUnavailableError({ cause: new Error(`${MAX_WAITING} appends wait already`) }),
    });
    this.marks = new ForgetMarks(database);
  }

  async append(userId: string, sessionId: string, turns: readonly Turn[], forgetMark?: string): Promise<void> {
    if (turns.length === 0) return;
    // Not synced to the disk: after a power loss a conversation may go on without its last turn, and no chat waits.
    await reachingSqlite(() =>
      this.appends.add(() => {
        if (!this.marks.isLate(userId, forgetMark)) this.add(userId, sessionId, turns);
        if (performance.now() >= this.nextPurgeAt) this.purge();
      }),
    );
  }

  async turns(userId: string, sessionId: string): Promise<Turn[]> {
    const rows = await reachingSqlite(() =>
      this.database.snapshot(() => this.statements.turns.all(userId, sessionId, Date.now())),
    );
    return rows
      .map((row) => this.readable(userId, sessionId, decodeTurn({ ...row, is_private: row.is_private === 1 })))
      .filter((turn) => turn !== undefined);
  }

  async forgetMark(userId: string): Promise<string> {
    return reachingSqlite(async () => this.marks.of(userId));
  }

  async forget(userId: string, mark: string): Promise<number> {
    const expirations = await this.write(() => {
      this.marks.set(userId, mark);
      return this.statements.removeOfUser.all(userId);
    });
    await reachingSqlite(() => this.database.sync());
    await reachingSqlite(() => this.database.scrub());
    const nowMs = Date.now();
    return expirations.filter((row) => Number(row.expires_at_ms) > nowMs).length;
  }

  private purge(): void {
    const { changes } = this.statements.purgeExpired.run(Date.now(), PURGE_PORTION);
    if (changes < PURGE_PORTION) this.nextPurgeAt = performance.now() + PURGE_INTERVAL_MS;
  }

  private add(userId: string, sessionId: string, turns: readonly Turn[]): void {
    const { maxTurns, ttlMs } = this.limits;
    const session = this.begin(userId, sessionId, ttlMs);
    for (const { role, text, atMs, isPrivate } of turns) {
      this.statements.append.run(session, role, text, atMs, isPrivate ? 1 : 0);
    }
    this.statements.trim.run(session, session, maxTurns);
  }

  /** The seq of a session that lives from now on: the one that is there, or a new one. */
  private begin(userId: string, sessionId: string, ttlMs: number): number {
    const nowMs = Date.now();
    const args = [userId, sessionId, nowMs + ttlMs, nowMs] as const;
    let renewed = this.statements.renew.get(...args);
    if (renewed === undefined) {
      this.statements.removeExpired.run(userId, sessionId, nowMs);
      renewed = this.statements.renew.get(...args);
    }
    return Number(renewed?.seq);
  }

  private async write<T>(work: () => T): Promise<T> {
    return reachingSqlite(() => this.database.transaction(work));
  }
}

interface SessionStatements {
  /** user id, session id, expires at, now: returns the session's seq, or nothing where it has expired. */
  readonly renew: SqliteStatement;
  /** session, role, text, at, is private */
  readonly append: SqliteStatement;
  /** session, session, how many to keep */
  readonly trim: SqliteStatement;
  /** user id, session id, now */
  readonly turns: SqliteStatement;
  /** user id, session id, now */
  readonly removeExpired: SqliteStatement;
  /** now, count: of all users. */
  readonly purgeExpired: SqliteStatement;
  /** user id: returns when they expire. */
  readonly removeOfUser: SqliteStatement;
}

/** The turns of a session go with it. */
function prepareStatements(database: SqliteDatabase): SessionStatements {
  return {
    renew: database.prepare(`
      INSERT INTO sessions (user_id, session_id, expires_at_ms) VALUES (?, ?, ?)
      ON CONFLICT (user_id, session_id) DO UPDATE SET expires_at_ms = excluded.expires_at_ms WHERE expires_at_ms > ?
      RETURNING seq`),
    append: database.prepare(
      'INSERT INTO session_turns (session, role, text, at_ms, is_private) VALUES (?, ?, ?, ?, ?)',
    ),
    trim: database.prepare(`
      DELETE FROM session_turns WHERE session = ?
      AND seq <= (SELECT seq FROM session_turns WHERE session = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`),
    turns: database.prepare(`
      SELECT role, text, at_ms, is_private FROM session_turns
      WHERE session = (SELECT seq FROM sessions WHERE user_id = ? AND session_id = ? AND expires_at_ms > ?)
      ORDER BY seq`),
    removeExpired: database.prepare('DELETE FROM sessions WHERE user_id = ? AND session_id = ? AND expires_at_ms <= ?'),
    purgeExpired: database.prepare(`
      DELETE FROM sessions WHERE seq IN (SELECT seq FROM sessions WHERE expires_at_ms <= ? LIMIT ?)`),
    removeOfUser: database.prepare('DELETE FROM sessions WHERE user_id = ? RETURNING expires_at_ms'),
  };
}
