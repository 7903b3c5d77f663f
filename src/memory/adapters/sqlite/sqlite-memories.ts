import { TERMS_VERSION } from '../../search/lexical-text.js';
import type { Memory, Supersession } from '../../memory.js';
import type { MemoryLimits } from '../../store/memory-limits.js';
import type {
  IndexedMemory,
  MemoryChange,
  MemoryToPut,
  MemoryUsage,
  PutOptions,
  PutOutcome,
} from '../../store/memory-store.port.js';
import { bytesOf, retentionOf } from '../../store/retention.js';
import type { Generation, Generations, SqliteEmbeddingSpaces } from './sqlite-embedding-spaces.js';
import { decodeRow, digestBytes, type Row, toColumns } from './sqlite-memory-rows.js';
import type { MemoryStatements } from './sqlite-memory-statements.js';
import type { SqliteCountedIds } from './sqlite-counted-ids.js';
import { termsIn } from './sqlite-packed-words.js';
import { countTerms, type SqliteTermIndex, type TermCounts } from './search/sqlite-term-index.js';

// Of those that are worth least, when all before are what holds of something pinned; and of what a memory supersedes.
const MOST_LOOKED_AT = 16;
const MOST_LINKS = 1_000;

/** The row of a memory, and its place in its chain. */
export interface Located {
  readonly seq: number;
  readonly id: string;
  readonly supersededBy: string | null;
  readonly supersededAtMs: number | null;
  readonly validFromMs: number;
}

/** The memories of the embedded store with all that they are found by. Every method is part of a transaction. */
export class SqliteMemories {
  constructor(
    private readonly statements: MemoryStatements,
    private readonly spaces: SqliteEmbeddingSpaces,
    private readonly terms: SqliteTermIndex,
    private readonly countedIds: SqliteCountedIds,
    private readonly limits: MemoryLimits,
  ) {}

  locate(userId: string, id: string): Located | undefined {
    return locatedOf(this.statements.locate.get(userId, id));
  }

  findText(userId: string, digest: string): Located | undefined {
    return locatedOf(this.statements.findText.get(userId, digestBytes(digest)));
  }

  /** Stores a memory and makes room for it, or counts the memory with the same text. */
  keep(indexed: MemoryToPut, current: Generation, { isRepeatable = false }: PutOptions = {}): PutOutcome {
    const outcome = this.put(indexed, current, isRepeatable);
    if (outcome.status === 'new') {
      this.link(indexed);
      this.makeRoom(indexed.memory.userId);
    }
    return outcome;
  }

  /** Puts an edited memory, or the one that has its text already, in the place of another. */
  replace(id: string, edited: IndexedMemory, current: Generation): PutOutcome {
    const { userId, validFromMs } = edited.memory;
    const outcome = this.put(edited, current);
    if (outcome.status !== 'known') {
      const head = this.headOf(userId, id);
      const by = { id: outcome.id, atMs: validFromMs, reason: 'edited', score: null } as const;
      if (head && head.id !== by.id) this.markSuperseded(head, by);
    }
    this.makeRoom(userId);
    return outcome;
  }

  change(memory: Memory, { isPinned = memory.isPinned, metadata = memory.metadata }: MemoryChange, seq: number): void {
    const bytes = bytesOf({ ...memory, metadata });
    this.statements.change.run(Number(isPinned), JSON.stringify(metadata), bytes, seq);
    this.makeRoom(memory.userId);
  }

  reinstate({ validFromMs }: Memory, seq: number): void {
    this.statements.hold.run(validFromMs, seq);
  }

  noteRecalled(userId: string, id: string, atMs: number): void {
    const row = this.statements.get.get(userId, id);
    const memory = row && decodeRow(row).record;
    if (!memory) return;
    const recallCount = memory.recallCount + 1;
    this.statements.recall.run(atMs, retentionOf({ ...memory, recallCount }), Number(row.seq));
  }

  remove(seq: number, { current, next }: Generations): void {
    const row = this.statements.removable.get(seq);
    if (!row) return;
    this.statements.remove.run(seq);
    current?.vectors.remove(seq);
    next?.vectors.remove(seq);
    const terms = termsOf(row);
    if (terms) this.terms.remove(Number(row.user), seq, terms);
    // The memories that it superseded pass to its successor, or hold again.
    const { free, passOn } = this.statements;
    if (row.superseded_by === null) free.run(String(row.user_id), String(row.id));
    else passOn.run(row.superseded_by as string, String(row.user_id), String(row.id));
  }

  /** Removes up to `limit` memories of a user that were there at `highestSeq`. Returns how many. */
  removeSome(userId: string, highestSeq: number, limit: number): number {
    const generations = this.spaces.read();
    const rows = this.statements.someOfUser.all(userId, highestSeq, limit);
    for (const { seq } of rows) this.remove(Number(seq), generations);
    return rows.length;
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

  /** Replaces the terms and the digest of a memory. Skips one that is gone, or whose id has another text. */
  reindex(indexed: Omit<IndexedMemory, 'vector'>): void {
    const { id, userId, text } = indexed.memory;
    const found = this.statements.locatePending.get(userId, id, text);
    if (!found) return;
    const seq = Number(found.seq);
    const user = this.userNumber(userId);
    const terms = termsOf(found);
    if (terms) this.terms.remove(user, seq, terms);
    const columns = toColumns(indexed, { generation: 0, termsVersion: this.termsVersion() });
    this.statements.reindex.run(
      columns.v,
      columns.is_question,
      columns.bytes,
      columns.retention,
      columns.digest,
      columns.terms_version,
      columns.term_count,
      columns.words,
      seq,
    );
    this.terms.add(user, seq, countTerms(indexed.terms));
  }

  private put(indexed: IndexedMemory, current: Generation, isRepeatable = false): PutOutcome {
    const { memory, digest } = indexed;
    if (this.locate(memory.userId, memory.id)) return { status: 'known', id: memory.id };
    const same = this.findText(memory.userId, digest);
    if (same) {
      if (isRepeatable && this.countedIds.add(same.seq, memory.id)) return { status: 'known', id: same.id };
      this.countAgain(same, memory);
      return { status: 'duplicate', id: same.id };
    }
    this.insert(indexed, current);
    return { status: 'new', id: memory.id };
  }

  private insert(indexed: IndexedMemory, { number, vectors }: Generation): void {
    const { userId } = indexed.memory;
    const seq = Number(
      this.statements.insert.run(toColumns(indexed, { generation: number, termsVersion: this.termsVersion() }))
        .lastInsertRowid,
    );
    vectors.add(seq, userId, indexed.vector);
    this.terms.add(this.userNumber(userId), seq, countTerms(indexed.terms));
  }

  /** Counts a text that was said again. It holds again, unless it was said before its successor. */
  private countAgain(same: Located, { userId, count, lastSeenAtMs }: Memory): void {
    this.statements.count.run(count, lastSeenAtMs, same.seq);
    if (same.supersededAtMs === null || lastSeenAtMs < same.supersededAtMs) return;
    const head = this.headOf(userId, same.id);
    this.statements.hold.run(lastSeenAtMs, same.seq);
    if (!head || head.seq === same.seq) return;
    this.markSuperseded(head, { id: same.id, atMs: lastSeenAtMs, reason: 'said_again', score: null });
  }

  /** Lets a new memory supersede the current memory of an older chain, and a later memory supersede the new one. */
  private link({ memory: { id, userId }, supersedes, supersededBy }: MemoryToPut): void {
    const head = supersedes && this.headOf(userId, supersedes.id);
    if (supersedes && head && head.validFromMs <= supersedes.atMs) this.markSuperseded(head, { ...supersedes, id });
    const own = supersededBy && this.locate(userId, supersededBy.id) && this.locate(userId, id);
    if (own) this.markSuperseded(own, supersededBy);
  }

  private markSuperseded({ seq }: Located, { id, atMs, reason, score }: Supersession): void {
    this.statements.supersede.run(id, atMs, reason, score, seq);
  }

  /** The current memory of the chain of a memory; `undefined` if there is no such memory. */
  private headOf(userId: string, id: string): Located | undefined {
    const seen = new Set<number>();
    let head = this.locate(userId, id);
    while (head?.supersededBy != null && !seen.has(head.seq)) {
      seen.add(head.seq);
      const next = this.locate(userId, head.supersededBy);
      if (!next) break;
      head = next;
    }
    return head;
  }

  /** Has those go that are worth least until the user is within the limits. Pinned ones stay. */
  private makeRoom(userId: string): void {
    for (;;) {
      const { memories, bytes } = this.usage(userId);
      if (memories <= this.limits.maxMemories && bytes <= this.limits.maxBytes) return;
      const least = this.leastWorth(userId);
      if (least === undefined) return;
      this.remove(least, this.spaces.read());
    }
  }

  /** What goes first: not what holds while something that it supersedes would hold again. */
  private leastWorth(userId: string): number | undefined {
    const least = this.statements.leastRetained.all(userId, MOST_LOOKED_AT).map(({ seq }) => Number(seq));
    for (const seq of least) {
      const older = this.statements.firstSuperseded.get(seq, userId, MOST_LINKS);
      if (!older) return seq;
      if (older.is_pinned === 0) return Number(older.seq);
    }
    return least[0];
  }

  /** The number of the version of the terms of this program. */
  private termsVersion(): number {
    const { addTermsVersion, termsVersion } = this.statements;
    const known = termsVersion.get(TERMS_VERSION);
    return Number(known ? known.number : addTermsVersion.run(TERMS_VERSION).lastInsertRowid);
  }

  /** The number of a user who has a memory. */
  private userNumber(userId: string): number {
    return Number(this.statements.counts.get(userId)?.user);
  }
}

const termsOf = ({ text, words, terms }: Row): TermCounts | undefined => termsIn({ text, words, terms });

function locatedOf(row: Row | undefined): Located | undefined {
  return (
    row && {
      seq: Number(row.seq),
      id: String(row.id),
      supersededBy: row.superseded_by as string | null,
      supersededAtMs: row.superseded_at_ms as number | null,
      validFromMs: Number(row.valid_from_ms),
    }
  );
}
