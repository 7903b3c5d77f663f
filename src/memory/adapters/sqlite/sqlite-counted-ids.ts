import type { SqliteDatabase, SqliteStatement } from '../../../infra/sqlite/index.js';
import { COUNTED_ID_BYTES, countedIdDigest, MAX_COUNTED_IDS } from '../shared/counted-ids.js';

/** Which ids were counted for a memory, as digests in a row. Every method is part of a transaction. */
export class SqliteCountedIds {
  private readonly read: SqliteStatement;
  private readonly write: SqliteStatement;

  constructor(database: SqliteDatabase) {
    this.read = database.prepare('SELECT digests FROM memory_counted_ids WHERE seq = ?');
    this.write = database.prepare(`
      INSERT INTO memory_counted_ids (seq, digests) VALUES (?, ?)
      ON CONFLICT (seq) DO UPDATE SET digests = excluded.digests`);
  }

  /** Notes an id. Returns whether it was there already. */
  add(seq: number, id: string): boolean {
    const digest = countedIdDigest(id);
    const stored = this.read.get(seq)?.digests;
    const known = stored === undefined ? Buffer.alloc(0) : Buffer.from(stored as Uint8Array);
    for (let start = 0; start < known.length; start += COUNTED_ID_BYTES) {
      if (known.subarray(start, start + COUNTED_ID_BYTES).equals(digest)) return true;
    }
    const kept = known.subarray(Math.max(0, known.length - (MAX_COUNTED_IDS - 1) * COUNTED_ID_BYTES));
    this.write.run(seq, Buffer.concat([kept, digest]));
    return false;
  }
}
