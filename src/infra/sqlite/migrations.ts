/**
 * The schema of the embedded store, one step per version; `PRAGMA user_version` counts the steps taken. A step that was
 * released is never edited: later changes are further steps.
 *
 * The columns of an entry carry no constraints but its id: what another program wrote wrongly must be readable as far
 * as the dead letters, not rejected.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE stream_entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    message, timestamp, user_id, session_id, role, context, traceparent,
    consumer TEXT,              -- who holds it; NULL: nobody has read it yet
    delivered_at INTEGER,       -- milliseconds since the epoch
    deliveries INTEGER NOT NULL DEFAULT 0
  );
  CREATE INDEX stream_entries_unread ON stream_entries (seq) WHERE consumer IS NULL;
  CREATE INDEX stream_entries_held ON stream_entries (consumer, seq) WHERE consumer IS NOT NULL;

  -- Ids that left stream_entries, so that a late resend is recognised. Bounded by the adapter.
  CREATE TABLE stream_settled_ids (seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE);

  CREATE TABLE stream_dead_letters (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id, message, timestamp, user_id, session_id, role, context, traceparent,
    error TEXT NOT NULL,
    deliveries INTEGER NOT NULL,
    dead_lettered_at TEXT NOT NULL
  );
  `,
];
