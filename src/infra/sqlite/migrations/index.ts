import type { DatabaseSync } from 'node:sqlite';
import { MEMORY_AND_SESSION_TABLES, STREAM_TABLES } from './first-schema.js';
import { MEMORY_RECORDS } from './memory-records.js';
import { ROW_COUNTS } from './row-counts.js';
import { endShadowBuffer } from './shadow-buffer.js';

/** Runs within a transaction. */
export type Migration = string | ((database: DatabaseSync) => void);

/**
 * The schema of the embedded store, one step per version; `PRAGMA user_version` counts the steps taken. A step that was
 * released is never edited: later changes are further steps.
 */
export const MIGRATIONS: readonly Migration[] = [
  STREAM_TABLES,
  MEMORY_AND_SESSION_TABLES,
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
  ROW_COUNTS,
  `
  -- What a user has on the way before an entry, and what there is to forget, without reading the whole stream.
  CREATE INDEX stream_entries_by_user ON stream_entries (user_id, seq);
  `,
  endShadowBuffer,
  MEMORY_RECORDS,
  `
  -- What was context and terms, packed together with the text before them; NULL: they are as they were.
  ALTER TABLE memories ADD COLUMN words BLOB;
  -- Packed by indexing anew: what was indexed until now is of another version.
  UPDATE memory_terms_versions SET name = name || ' unpacked';
  `,
  `
  -- Ids that were counted for a memory with the same text, so that they are not counted again; sqlite-counted-ids.ts.
  CREATE TABLE memory_counted_ids (
    seq INTEGER PRIMARY KEY REFERENCES memories (seq) ON DELETE CASCADE,
    digests BLOB NOT NULL
  );
  `,
];
