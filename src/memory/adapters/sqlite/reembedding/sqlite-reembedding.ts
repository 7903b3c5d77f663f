import type { EmbeddingSpace } from '../../../memory.js';
import { ReembeddingError } from '../../../memory.errors.js';
import { assertVectors, isSameSpace } from '../../../store/memory-limits.js';
import {
  type PendingReembedding,
  type ReembeddedMemory,
  ReembeddingStore,
  type StoreProgress,
} from '../../../store/reembedding-store.port.js';
import type { SqliteAccess } from '../sqlite-access.js';
import type { Generation, SqliteEmbeddingSpaces } from '../sqlite-embedding-spaces.js';
import type { MemoryStatements } from '../sqlite-memory-statements.js';

/** {@link ReembeddingStore} in tables of the embedded store. Each method is one transaction. */
export class SqliteReembeddingStore extends ReembeddingStore {
  constructor(
    private readonly access: SqliteAccess,
    private readonly statements: MemoryStatements,
    private readonly spaces: SqliteEmbeddingSpaces,
  ) {
    super();
  }

  async begin(space: EmbeddingSpace): Promise<void> {
    await this.access.write(() => {
      this.addNext(space);
    });
  }

  async pending(limit: number): Promise<PendingReembedding[]> {
    return this.access.read(() => {
      const { current, next } = this.spaces.read();
      return current && next ? this.pendingOf(current, limit) : [];
    });
  }

  async progress(): Promise<StoreProgress> {
    return this.access.read(() => {
      const row = this.statements.progress.get(this.spaces.read().next?.number ?? null);
      return { total: Number(row?.total), done: Number(row?.done) };
    });
  }

  async put(items: readonly ReembeddedMemory[]): Promise<void> {
    if (items.length === 0) return;
    await this.access.write(() => {
      this.putVectors(items);
    });
  }

  async finish(): Promise<void> {
    await this.access.write(() => {
      this.makeNextCurrent();
    });
  }

  private addNext(space: EmbeddingSpace): void {
    const { current, next } = this.spaces.read();
    if (next && isSameSpace(next.space, space)) return;
    if (next) {
      if (current) this.statements.resetGeneration.run(current.number, next.number);
      this.spaces.drop(next);
    }
    this.spaces.add(space, 'next');
  }

  private putVectors(items: readonly ReembeddedMemory[]): void {
    const { next } = this.spaces.read();
    // Another process has finished meanwhile.
    if (!next) return;
    assertVectors(
      items.map(({ vector }) => vector),
      next.space,
    );
    for (const { userId, id, text, vector } of items) {
      const found = this.statements.locatePending.get(userId, id, text);
      if (!found) continue;
      next.vectors.put(Number(found.seq), userId, vector);
      this.statements.setGeneration.run(next.number, Number(found.seq));
    }
  }

  private makeNextCurrent(): void {
    const { current, next } = this.spaces.read();
    if (!next) return;
    if (current) {
      if (this.pendingOf(current, 1).length > 0) throw new ReembeddingError(next.space);
      this.spaces.drop(current);
    }
    this.spaces.makeNextCurrent();
  }

  private pendingOf({ number }: Generation, limit: number): PendingReembedding[] {
    return this.statements.pending.all(number, limit).map((row) => ({
      userId: String(row.user_id),
      id: String(row.id),
      text: String(row.text),
    }));
  }
}
