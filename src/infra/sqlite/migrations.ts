import type { DatabaseSync } from 'node:sqlite';
import { endShadowBuffer } from './shadow-migration.js';

// Of ASCII, as a text within a text of SQL. The tokenizer takes what is beyond ASCII for letters.
const PUNCTUATION = String.raw`!""#$%&''()*+,-./:;<=>?@[\]^_{|}~` + '`';

/** Within a transaction. */
export type Migration = string | ((database: DatabaseSync) => void);

/**
 * The schema of the embedded store, one step per version; `PRAGMA user_version` counts the steps taken. A step that was
 * released is never edited: later changes are further steps.
 *
 * The columns of an entry carry no constraints but its id: what another program wrote wrongly must be readable as far
 * as the dead letters, not rejected.
 */
export const MIGRATIONS: readonly Migration[] = [
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
  `
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
  `,
  `
  -- The version of the record; 0: as the first release wrote it.
  ALTER TABLE memories ADD COLUMN v INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- The time of a forgetting says nothing where clocks differ.
  DROP TABLE memory_forgotten;
  CREATE TABLE forget_marks (
    user_id TEXT PRIMARY KEY,
    mark TEXT NOT NULL,
    marked_at_ms INTEGER NOT NULL   -- for letting go of it
  ) WITHOUT ROWID;
  ALTER TABLE stream_entries ADD COLUMN forget_mark;
  ALTER TABLE stream_dead_letters ADD COLUMN forget_mark;
  `,
  `
  -- What health checks, scrapes and decisions ask for, kept up by triggers: counting would read all rows each time.
  CREATE TABLE stream_counts (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    lag INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    dead INTEGER NOT NULL
  );
  INSERT INTO stream_counts SELECT 1,
    (SELECT count(*) FROM stream_entries WHERE consumer IS NULL),
    (SELECT count(*) FROM stream_entries WHERE consumer IS NOT NULL),
    (SELECT count(*) FROM stream_dead_letters);
  CREATE TRIGGER stream_entries_added AFTER INSERT ON stream_entries BEGIN
    UPDATE stream_counts SET lag = lag + (NEW.consumer IS NULL), pending = pending + (NEW.consumer IS NOT NULL);
  END;
  CREATE TRIGGER stream_entries_delivered AFTER UPDATE OF consumer ON stream_entries
  WHEN (OLD.consumer IS NULL) <> (NEW.consumer IS NULL) BEGIN
    UPDATE stream_counts SET
      lag = lag + (NEW.consumer IS NULL) - (OLD.consumer IS NULL),
      pending = pending + (NEW.consumer IS NOT NULL) - (OLD.consumer IS NOT NULL);
  END;
  CREATE TRIGGER stream_entries_removed AFTER DELETE ON stream_entries BEGIN
    UPDATE stream_counts SET lag = lag - (OLD.consumer IS NULL), pending = pending - (OLD.consumer IS NOT NULL);
  END;
  CREATE TRIGGER stream_dead_letters_added AFTER INSERT ON stream_dead_letters BEGIN
    UPDATE stream_counts SET dead = dead + 1;
  END;
  CREATE TRIGGER stream_dead_letters_removed AFTER DELETE ON stream_dead_letters BEGIN
    UPDATE stream_counts SET dead = dead - 1;
  END;

  -- A user of whom nothing is left has no row: it holds the name.
  CREATE TABLE memory_counts (
    user_id TEXT PRIMARY KEY,
    memories INTEGER NOT NULL,
    shadow INTEGER NOT NULL,                -- those that have expired included
    decisions INTEGER NOT NULL
  ) WITHOUT ROWID;
  INSERT INTO memory_counts SELECT user_id, sum(kept), sum(shadow), sum(decision) FROM (
    SELECT user_id, expires_at_ms IS NULL AS kept, expires_at_ms IS NOT NULL AS shadow, 0 AS decision FROM memories
    UNION ALL SELECT user_id, 0, 0, 1 FROM memory_decisions
  ) GROUP BY user_id;
  CREATE TRIGGER memories_added AFTER INSERT ON memories BEGIN
    INSERT INTO memory_counts SELECT NEW.user_id, 0, 0, 0
    WHERE NOT EXISTS (SELECT 1 FROM memory_counts WHERE user_id = NEW.user_id);
    UPDATE memory_counts SET
      memories = memories + (NEW.expires_at_ms IS NULL),
      shadow = shadow + (NEW.expires_at_ms IS NOT NULL)
    WHERE user_id = NEW.user_id;
  END;
  CREATE TRIGGER memories_moved AFTER UPDATE OF expires_at_ms ON memories BEGIN
    UPDATE memory_counts SET
      memories = memories + (NEW.expires_at_ms IS NULL) - (OLD.expires_at_ms IS NULL),
      shadow = shadow + (NEW.expires_at_ms IS NOT NULL) - (OLD.expires_at_ms IS NOT NULL)
    WHERE user_id = NEW.user_id;
  END;
  CREATE TRIGGER memories_removed AFTER DELETE ON memories BEGIN
    UPDATE memory_counts SET
      memories = memories - (OLD.expires_at_ms IS NULL),
      shadow = shadow - (OLD.expires_at_ms IS NOT NULL)
    WHERE user_id = OLD.user_id;
    DELETE FROM memory_counts WHERE user_id = OLD.user_id AND memories = 0 AND shadow = 0 AND decisions = 0;
  END;
  CREATE TRIGGER memory_decisions_added AFTER INSERT ON memory_decisions BEGIN
    INSERT INTO memory_counts SELECT NEW.user_id, 0, 0, 0
    WHERE NOT EXISTS (SELECT 1 FROM memory_counts WHERE user_id = NEW.user_id);
    UPDATE memory_counts SET decisions = decisions + 1 WHERE user_id = NEW.user_id;
  END;
  CREATE TRIGGER memory_decisions_removed AFTER DELETE ON memory_decisions BEGIN
    UPDATE memory_counts SET decisions = decisions - 1 WHERE user_id = OLD.user_id;
    DELETE FROM memory_counts WHERE user_id = OLD.user_id AND memories = 0 AND shadow = 0 AND decisions = 0;
  END;
  `,
  `
  -- What a user has on the way before an entry, and what there is to forget, without reading the whole stream.
  CREATE INDEX stream_entries_by_user ON stream_entries (user_id, seq);
  `,
  endShadowBuffer,
  `
  DROP INDEX memories_shadow;
  DROP INDEX memories_expiring;
  DROP INDEX memories_by_generation;
  DROP TRIGGER memories_added;
  DROP TRIGGER memories_moved;
  DROP TRIGGER memories_removed;
  DROP TRIGGER memory_decisions_added;
  DROP TRIGGER memory_decisions_removed;
  DROP TABLE memory_counts;
  ALTER TABLE memories DROP COLUMN expires_at_ms;

  ALTER TABLE memories ADD COLUMN information_nats REAL;
  ALTER TABLE memories ADD COLUMN context TEXT NOT NULL DEFAULT '';
  ALTER TABLE memories ADD COLUMN is_question INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE memories ADD COLUMN is_pinned INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE memories ADD COLUMN recall_count INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE memories ADD COLUMN last_recalled_at_ms INTEGER;
  ALTER TABLE memories ADD COLUMN valid_from_ms INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE memories ADD COLUMN superseded_by TEXT;       -- an id of the same user
  ALTER TABLE memories ADD COLUMN superseded_at_ms INTEGER;
  ALTER TABLE memories ADD COLUMN superseded_reason TEXT;
  ALTER TABLE memories ADD COLUMN supersession_score REAL;
  ALTER TABLE memories ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;   -- what counts towards the limit of its user
  ALTER TABLE memories ADD COLUMN retention REAL NOT NULL DEFAULT 0;  -- nats; the least goes first
  ALTER TABLE memories ADD COLUMN terms_version INTEGER NOT NULL DEFAULT 0;  -- 0: it is not indexed
  ALTER TABLE memories ADD COLUMN digest BLOB;              -- NULL until it is indexed, like those after it
  ALTER TABLE memories ADD COLUMN term_count INTEGER;       -- with repetitions
  ALTER TABLE memories ADD COLUMN terms BLOB;               -- what the index of words holds of it, packed
  -- Until they are indexed anew, and so counted exactly.
  UPDATE memories SET
    valid_from_ms = created_at_ms,
    bytes = octet_length(text) + octet_length(metadata),
    retention = 0.9 * length(text);

  CREATE TABLE memory_terms_versions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
  );
  CREATE INDEX memories_by_time ON memories (user_id, created_at_ms);
  CREATE INDEX memories_by_retention ON memories (user_id, retention) WHERE is_pinned = 0;
  CREATE INDEX memories_by_digest ON memories (user_id, digest) WHERE digest IS NOT NULL;
  CREATE INDEX memories_superseded ON memories (user_id, superseded_by) WHERE superseded_by IS NOT NULL;
  CREATE INDEX memories_by_generation ON memories (generation);
  CREATE INDEX memories_by_terms_version ON memories (terms_version);

  -- A user of whom nothing is left has no row: it holds the name.
  CREATE TABLE memory_counts (
    user INTEGER PRIMARY KEY AUTOINCREMENT,   -- stands for the name in the index of words; never used again
    user_id TEXT NOT NULL UNIQUE,
    memories INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    pinned INTEGER NOT NULL DEFAULT 0,
    pinned_bytes INTEGER NOT NULL DEFAULT 0,
    indexed INTEGER NOT NULL DEFAULT 0,       -- memories whose words are indexed
    terms INTEGER NOT NULL DEFAULT 0,         -- of those, with repetitions
    decisions INTEGER NOT NULL DEFAULT 0
  );
  INSERT INTO memory_counts (user_id, memories, bytes, decisions) SELECT user_id, sum(m), sum(b), sum(d) FROM (
    SELECT user_id, 1 AS m, bytes AS b, 0 AS d FROM memories
    UNION ALL SELECT user_id, 0, 0, 1 FROM memory_decisions
  ) GROUP BY user_id;
  CREATE TRIGGER memories_added AFTER INSERT ON memories BEGIN
    INSERT INTO memory_counts (user_id) SELECT NEW.user_id
    WHERE NOT EXISTS (SELECT 1 FROM memory_counts WHERE user_id = NEW.user_id);
    UPDATE memory_counts SET
      memories = memories + 1,
      bytes = bytes + NEW.bytes,
      pinned = pinned + NEW.is_pinned,
      pinned_bytes = pinned_bytes + NEW.is_pinned * NEW.bytes,
      indexed = indexed + (NEW.term_count IS NOT NULL),
      terms = terms + coalesce(NEW.term_count, 0)
    WHERE user_id = NEW.user_id;
  END;
  CREATE TRIGGER memories_changed AFTER UPDATE OF bytes, is_pinned, term_count ON memories BEGIN
    UPDATE memory_counts SET
      bytes = bytes + NEW.bytes - OLD.bytes,
      pinned = pinned + NEW.is_pinned - OLD.is_pinned,
      pinned_bytes = pinned_bytes + NEW.is_pinned * NEW.bytes - OLD.is_pinned * OLD.bytes,
      indexed = indexed + (NEW.term_count IS NOT NULL) - (OLD.term_count IS NOT NULL),
      terms = terms + coalesce(NEW.term_count, 0) - coalesce(OLD.term_count, 0)
    WHERE user_id = NEW.user_id;
  END;
  CREATE TRIGGER memories_removed AFTER DELETE ON memories BEGIN
    UPDATE memory_counts SET
      memories = memories - 1,
      bytes = bytes - OLD.bytes,
      pinned = pinned - OLD.is_pinned,
      pinned_bytes = pinned_bytes - OLD.is_pinned * OLD.bytes,
      indexed = indexed - (OLD.term_count IS NOT NULL),
      terms = terms - coalesce(OLD.term_count, 0)
    WHERE user_id = OLD.user_id;
    DELETE FROM memory_counts WHERE user_id = OLD.user_id AND memories = 0 AND decisions = 0;
  END;
  CREATE TRIGGER memory_decisions_added AFTER INSERT ON memory_decisions BEGIN
    INSERT INTO memory_counts (user_id) SELECT NEW.user_id
    WHERE NOT EXISTS (SELECT 1 FROM memory_counts WHERE user_id = NEW.user_id);
    UPDATE memory_counts SET decisions = decisions + 1 WHERE user_id = NEW.user_id;
  END;
  CREATE TRIGGER memory_decisions_removed AFTER DELETE ON memory_decisions BEGIN
    UPDATE memory_counts SET decisions = decisions - 1 WHERE user_id = OLD.user_id;
    DELETE FROM memory_counts WHERE user_id = OLD.user_id AND memories = 0 AND decisions = 0;
  END;

  -- Which memories have which terms; sqlite-term-index.ts says how. All but white space is part of a term.
  CREATE VIRTUAL TABLE memory_terms USING fts5(
    tokens, content='', detail=none, columnsize=0, tokenize="ascii tokenchars '${PUNCTUATION}'"
  );
  INSERT INTO memory_terms (memory_terms, rank) VALUES ('secure-delete', 1);
  `,
  `
  -- What was context and terms, packed together with the text before them; NULL: they are as they were.
  ALTER TABLE memories ADD COLUMN words BLOB;
  -- Packed by indexing anew: what was indexed until now is of another version.
  UPDATE memory_terms_versions SET name = name || ' unpacked';
  `,
];
