import { TERMS_VERSION } from '../lexical-text.js';
import type { Memory, Supersession } from '../memory.js';
import type { MemoryLimits } from '../memory-limits.js';
import type { IndexedMemory, MemoryChange, MemoryUsage, PutOutcome } from '../memory-store.port.js';
import { bytesOf, retentionOf } from '../retention.js';
import type { Generation, Generations, SqliteEmbeddingSpaces } from './sqlite-embedding-spaces.js';
import { decodeRow, type Row, toColumns } from './sqlite-memory-rows.js';
import type { MemoryStatements } from './sqlite-memory-statements.js';

/** Where a memory is. */
export interface Located {
  readonly seq: number;
  readonly id: string;
  readonly supersededBy: string | null;
}

/** The memories of the embedded store with all that they are found by. Every method is part of a transaction. */
export class SqliteMemories {
  constructor(
    private readonly statements: MemoryStatements,
    private readonly spaces: SqliteEmbeddingSpaces,
    private readonly limits: MemoryLimits,
  ) {}

  locate(userId: string, id: string): Located | undefined {
    return locatedOf(this.statements.locate.get(userId, id));
  }

  findText(userId: string, digest: string): Located | undefined {
    return locatedOf(this.statements.findText.get(userId, digest));
  }

  /** Keeps a memory, and makes room for it. */
  keep(indexed: IndexedMemory, current: Generation): PutOutcome {
    const { memory, digest } = indexed;
    if (this.locate(memory.userId, memory.id)) return { status: 'known', id: memory.id };
    const same = this.findText(memory.userId, digest);
    if (same) {
      this.countAgain(same, memory);
      return { status: 'duplicate', id: same.id };
    }
    this.insert(indexed, current);
    this.makeRoom(memory.userId);
    return { status: 'new', id: memory.id };
  }

  /** Notes that the text of a memory was said again: it holds again. */
  countAgain({ seq, id, supersededBy }: Located, { userId, count, lastSeenAtMs }: Memory): void {
    this.statements.count.run(count, lastSeenAtMs, seq);
    if (supersededBy !== null) {
      this.holdAgain(userId, { seq, id, supersededBy }, { atMs: lastSeenAtMs, reason: 'said_again', score: null });
    }
  }

  /** Has a memory hold again, in the place of what superseded it in the end. */
  holdAgain(userId: string, located: Located, how: Omit<Supersession, 'id'>): void {
    const head = this.headOf(userId, located);
    this.statements.hold.run(how.atMs, located.seq);
    if (head.seq !== located.seq) this.supersede(head.seq, { ...how, id: located.id });
  }

  /** What holds of the chain that a memory is part of. */
  headOf(userId: string, located: Located): Located {
    const seen = new Set([located.seq]);
    let head = located;
    while (head.supersededBy !== null) {
      const next = this.locate(userId, head.supersededBy);
      if (!next || seen.has(next.seq)) break;
      seen.add(next.seq);
      head = next;
    }
    return head;
  }

  /** Has what holds of a chain no longer hold since another memory. */
  supersedeChain(userId: string, located: Located, by: Supersession): void {
    const head = this.headOf(userId, located);
    if (head.id !== by.id) this.supersede(head.seq, by);
  }

  /** Puts an edited memory, or the one that has its text already, in the place of another. */
  replace(old: Located, edited: IndexedMemory, current: Generation): PutOutcome {
    const { userId, validFromMs } = edited.memory;
    const how = { atMs: validFromMs, reason: 'edited', score: null } as const;
    if (this.locate(userId, edited.memory.id)) return { status: 'known', id: edited.memory.id };
    const same = this.findText(userId, edited.digest);
    if (same?.seq === old.seq) return { status: 'duplicate', id: same.id };
    if (same) {
      this.holdAgain(userId, same, how);
      this.supersedeChain(userId, old, { ...how, id: same.id });
      return { status: 'duplicate', id: same.id };
    }
    this.insert(edited, current);
    this.supersedeChain(userId, old, { ...how, id: edited.memory.id });
    this.makeRoom(userId);
    return { status: 'new', id: edited.memory.id };
  }

  supersede(seq: number, { id, atMs, reason, score }: Supersession): void {
    this.statements.supersede.run(id, atMs, reason, score, seq);
  }

  insert(indexed: IndexedMemory, { number, vectors }: Generation): void {
    const { userId } = indexed.memory;
    const { lastInsertRowid } = this.statements.insert.run(toColumns(indexed, number));
    const seq = Number(lastInsertRowid);
    vectors.add(seq, userId, indexed.vector);
  }

  remove(seq: number, { current, next }: Generations): void {
    const row = this.statements.remove.get(seq);
    if (!row) return;
    current?.vectors.remove(seq);
    next?.vectors.remove(seq);
  }

  /** Has those go that are worth least until the user is within the limits. */
  makeRoom(userId: string): void {
    let generations: Generations | undefined;
    for (;;) {
      const { memories, bytes } = this.usage(userId);
      if (memories <= this.limits.maxMemories && bytes <= this.limits.maxBytes) return;
      const least = this.statements.leastRetained.get(userId);
      // All are pinned.
      if (!least) return;
      generations ??= this.spaces.read();
      this.remove(Number(least.seq), generations);
    }
  }

  usage(userId: string): MemoryUsage {
    const row = this.statements.counts.get(userId);
    return {
      memories: Number(row?.memories ?? 0),
      bytes: Number(row?.bytes ?? 0),
      pinned: Number(row?.pinned ?? 0),
      pinnedBytes: Number(row?.pinned_bytes ?? 0),
    };
  }

  change(memory: Memory, { isPinned = memory.isPinned, metadata = memory.metadata }: MemoryChange, seq: number): void {
    const bytes = bytesOf({ ...memory, metadata });
    this.statements.change.run(Number(isPinned), JSON.stringify(metadata), bytes, seq);
    this.makeRoom(memory.userId);
  }

  noteRecalled(userId: string, id: string, atMs: number): void {
    const row = this.statements.get.get(userId, id);
    const memory = row && decodeRow(row).record;
    if (!memory) return;
    const recallCount = memory.recallCount + 1;
    this.statements.recall.run(atMs, retentionOf({ ...memory, recallCount }), Number(row.seq));
  }

  /** Removes up to `limit` memories of a user that were there at `highestSeq`. Returns how many. */
  removeSome(userId: string, highestSeq: number, limit: number): number {
    const generations = this.spaces.read();
    const rows = this.statements.someOfUser.all(userId, highestSeq, limit);
    for (const { seq } of rows) this.remove(Number(seq), generations);
    return rows.length;
  }

  /** Replaces what a memory is found by; passed over where it is gone, or another text has its id. */
  reindex(indexed: Omit<IndexedMemory, 'vector'>): void {
    const { id, userId, text } = indexed.memory;
    const found = this.statements.locatePending.get(userId, id, text);
    if (!found) return;
    const columns = toColumns(indexed, 0);
    this.statements.reindex.run(
      columns.v,
      columns.context,
      columns.is_question,
      columns.bytes,
      columns.retention,
      columns.digest,
      TERMS_VERSION,
      columns.term_count,
      columns.terms,
      Number(found.seq),
    );
  }
}

function locatedOf(row: Row | undefined): Located | undefined {
  return (
    row && {
      seq: Number(row.seq),
      id: String(row.id),
      supersededBy: row.superseded_by === null ? null : String(row.superseded_by),
    }
  );
}
