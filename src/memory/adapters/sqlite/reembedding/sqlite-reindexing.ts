import { TERMS_VERSION } from '../../../search/lexical-text.js';
import type { Memory } from '../../../memory.js';
import type { IndexedMemory } from '../../../store/memory-store.port.js';
import type { StoreProgress } from '../../../store/reembedding-store.port.js';
import { ReindexingStore } from '../../../store/reindexing-store.port.js';
import type { SqliteAccess } from '../sqlite-access.js';
import type { SqliteMemories } from '../sqlite-memories.js';
import type { Row } from '../sqlite-memory-rows.js';
import type { MemoryStatements } from '../sqlite-memory-statements.js';

/** {@link ReindexingStore} in tables of the embedded store. Each method is one transaction. */
export class SqliteReindexingStore extends ReindexingStore {
  constructor(
    private readonly access: SqliteAccess,
    private readonly statements: MemoryStatements,
    private readonly memories: SqliteMemories,
    private readonly decode: (row: Row) => Memory | undefined,
  ) {
    super();
  }

  async pending(limit: number): Promise<Memory[]> {
    return this.access.read(() => this.find(limit));
  }

  async progress(): Promise<StoreProgress> {
    return this.access.read(() => {
      const row = this.statements.reindexingProgress.get(this.currentVersion());
      return { total: Number(row?.total), done: Number(row?.done) };
    });
  }

  async put(items: readonly Omit<IndexedMemory, 'vector'>[]): Promise<void> {
    if (items.length === 0) return;
    await this.access.write(() => {
      for (const item of items) this.memories.reindex(item);
    });
  }

  /** Records that cannot be read stay as they are, and do not count towards `limit`. */
  private find(limit: number): Memory[] {
    const found: Memory[] = [];
    const current = this.currentVersion();
    for (let [version, seq] = [-1, 0]; found.length < limit;) {
      const rows = this.statements.pendingReindexing.all(version, seq, current, limit);
      for (const row of rows) {
        const memory = this.decode(row);
        if (memory) found.push(memory);
      }
      const last = rows.at(-1);
      if (!last || rows.length < limit) break;
      [version, seq] = [Number(last.terms_version), Number(last.seq)];
    }
    return found.slice(0, limit);
  }

  /** -1 if nothing was indexed with it yet. */
  private currentVersion(): number {
    return Number(this.statements.termsVersion.get(TERMS_VERSION)?.number ?? -1);
  }
}
