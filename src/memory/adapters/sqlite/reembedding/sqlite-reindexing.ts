import { TERMS_VERSION } from '../../../search/lexical-text.js';
import type { Memory } from '../../../memory.js';
import type { IndexedMemory, PendingReindexing } from '../../../store/memory-store.port.js';
import type { SqliteMemories } from '../sqlite-memories.js';
import type { Row } from '../sqlite-memory-rows.js';
import type { MemoryStatements } from '../sqlite-memory-statements.js';

/** The indexing anew of what has no terms, or those of another version. Every method is part of a transaction. */
export class SqliteReindexing {
  constructor(
    private readonly statements: MemoryStatements,
    private readonly memories: SqliteMemories,
    private readonly decode: (row: Row) => Memory | undefined,
  ) {}

  /** Records that cannot be read stay as they are, and take nobody's place. */
  pending(limit: number): PendingReindexing[] {
    const found: PendingReindexing[] = [];
    const current = this.currentVersion();
    for (let [version, seq] = [-1, 0]; found.length < limit;) {
      const rows = this.statements.pendingReindexing.all(version, seq, current, limit);
      for (const row of rows) {
        const memory = this.decode(row);
        if (memory) found.push({ memory });
      }
      const last = rows.at(-1);
      if (!last || rows.length < limit) break;
      [version, seq] = [Number(last.terms_version), Number(last.seq)];
    }
    return found.slice(0, limit);
  }

  progress(): { readonly total: number; readonly done: number } {
    const row = this.statements.reindexingProgress.get(this.currentVersion());
    return { total: Number(row?.total), done: Number(row?.done) };
  }

  put(items: readonly Omit<IndexedMemory, 'vector'>[]): void {
    for (const item of items) this.memories.reindex(item);
  }

  /** -1 where nothing was indexed by it yet. */
  private currentVersion(): number {
    return Number(this.statements.termsVersion.get(TERMS_VERSION)?.number ?? -1);
  }
}
