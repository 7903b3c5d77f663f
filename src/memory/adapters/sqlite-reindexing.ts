import { TERMS_VERSION } from '../lexical-text.js';
import type { Memory } from '../memory.js';
import type { IndexedMemory, PendingReindexing } from '../memory-store.port.js';
import type { SqliteMemories } from './sqlite-memories.js';
import type { Row } from './sqlite-memory-rows.js';
import type { MemoryStatements } from './sqlite-memory-statements.js';

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
    for (let after = 0; found.length < limit;) {
      const rows = this.statements.pendingReindexing.all(after, TERMS_VERSION, limit);
      for (const row of rows) {
        const memory = this.decode(row);
        if (memory) found.push({ memory });
      }
      if (rows.length < limit) break;
      after = Number(rows.at(-1)?.seq);
    }
    return found.slice(0, limit);
  }

  progress(): { readonly total: number; readonly done: number } {
    const row = this.statements.reindexingProgress.get(TERMS_VERSION);
    return { total: Number(row?.total), done: Number(row?.done) };
  }

  put(items: readonly Omit<IndexedMemory, 'vector'>[]): void {
    for (const item of items) this.memories.reindex(item);
  }
}
