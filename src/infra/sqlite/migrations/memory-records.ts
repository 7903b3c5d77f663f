// ASCII punctuation as a string inside an SQL string. The tokenizer takes all characters beyond ASCII for letters.
const PUNCTUATION = String.raw`!""#$%&''()*+,-./:;<=>?@[\]^_{|}~` + '`';

/** Memories with validity, retention and pins, and the index of their words. */
export const MEMORY_RECORDS = `
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
  `;
