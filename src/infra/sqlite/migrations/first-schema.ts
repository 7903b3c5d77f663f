/**
 * The stream and its dead letters. Columns of an entry have no constraints except for its id: a wrong entry of another
 * program must be readable as far as the dead letters.
 */
export const STREAM_TABLES = `
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
  `;

/** Memories with their decisions and statistics, and sessions. */
export const MEMORY_AND_SESSION_TABLES = `
  -- The embedding spaces: at most the current one and the one that memories are being moved to. The vectors of each are in
  -- a vec0 table of its own, which is made with it, because its dimensions are known only then.
  CREATE TABLE memory_spaces (
    generation INTEGER PRIMARY KEY AUTOINCREMENT,
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    is_next INTEGER NOT NULL UNIQUE
  );

  CREATE TABLE memories (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,  -- also of its vectors
    user_id TEXT NOT NULL,
    id TEXT NOT NULL,
    expires_at_ms INTEGER,                  -- NULL: kept; else an entry of the shadow buffer
    generation INTEGER NOT NULL,            -- the newest space it has a vector in
    text TEXT NOT NULL,
    session_id TEXT,
    role TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    perplexity REAL,
    avg_logprob REAL,
    novelty REAL,
    surprise REAL,
    model TEXT,
    source TEXT NOT NULL,
    metadata TEXT NOT NULL,                 -- JSON
    count INTEGER NOT NULL,
    last_seen_at_ms INTEGER NOT NULL,
    UNIQUE (user_id, id)
  );
  CREATE INDEX memories_shadow ON memories (user_id, expires_at_ms, id) WHERE expires_at_ms IS NOT NULL;
  CREATE INDEX memories_expiring ON memories (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
  CREATE INDEX memories_by_generation ON memories (generation, expires_at_ms);

  CREATE TABLE memory_decisions (
    seq INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    id TEXT NOT NULL,
    decided_at_ms INTEGER NOT NULL,
    decision TEXT NOT NULL,                 -- JSON
    UNIQUE (user_id, id)
  );
  CREATE INDEX memory_decisions_by_time ON memory_decisions (user_id, decided_at_ms, id);

  CREATE TABLE memory_statistics (
    user_id TEXT NOT NULL,
    model TEXT NOT NULL,
    sums TEXT NOT NULL,                     -- JSON
    PRIMARY KEY (user_id, model)
  ) WITHOUT ROWID;

  CREATE TABLE memory_forgotten (
    user_id TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    marked_at_ms INTEGER NOT NULL
  ) WITHOUT ROWID;

  CREATE TABLE sessions (
    seq INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    UNIQUE (user_id, session_id)
  );
  CREATE INDEX sessions_expiring ON sessions (expires_at_ms);

  CREATE TABLE session_turns (
    seq INTEGER PRIMARY KEY,
    session INTEGER NOT NULL REFERENCES sessions (seq) ON DELETE CASCADE,
    role TEXT NOT NULL,
    text TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    is_private INTEGER NOT NULL
  );
  CREATE INDEX session_turns_by_session ON session_turns (session, seq);
  `;
