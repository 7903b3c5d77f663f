import type { SqliteDatabase, SqliteStatement } from './sqlite-database.js';

// What was begun before its user was forgotten, and is still in work after that long, is written. The mark holds the
// user's name, which is a reason to let go of it.
const MARK_LASTS_MS = 24 * 3_600_000;

/**
 * When users were forgotten last, as marks: each forgetting makes another one. What carries the mark that was there
 * when it began is late if there is another by now, and no clock is asked. Every method is part of a transaction.
 */
export class ForgetMarks {
  private readonly select: SqliteStatement;
  private readonly upsert: SqliteStatement;
  private readonly purge: SqliteStatement;

  constructor(database: SqliteDatabase) {
    this.select = database.prepare('SELECT mark FROM forget_marks WHERE user_id = ?');
    this.upsert = database.prepare(`
      INSERT INTO forget_marks (user_id, mark, marked_at_ms) VALUES (?, ?, ?)
      ON CONFLICT (user_id) DO UPDATE SET mark = excluded.mark, marked_at_ms = excluded.marked_at_ms`);
    this.purge = database.prepare('DELETE FROM forget_marks WHERE marked_at_ms <= ?');
  }

  /** The empty string if the user was not forgotten within a day. */
  of(userId: string): string {
    return String(this.select.get(userId)?.mark ?? '');
  }

  set(userId: string, mark: string): void {
    const nowMs = Date.now();
    this.purge.run(nowMs - MARK_LASTS_MS);
    this.upsert.run(userId, mark, nowMs);
  }

  /** Whether the user was forgotten after `mark` was read; `false` if `mark` is `undefined`. */
  isLate(userId: string, mark: string | undefined): boolean {
    if (mark === undefined) return false;
    const current = this.of(userId);
    return current !== '' && current !== mark;
  }
}
