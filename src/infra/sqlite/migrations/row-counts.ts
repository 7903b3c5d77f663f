/** Counts of rows, kept up to date by triggers. */
export const ROW_COUNTS = `
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
  `;
