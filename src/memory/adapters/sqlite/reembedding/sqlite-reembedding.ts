import type { EmbeddingSpace } from '../../../memory.js';
import { ReembeddingError } from '../../../memory.errors.js';
import { assertVectors, isSameSpace } from '../../../store/memory-limits.js';
import type { PendingReembedding } from '../../../store/memory-store.port.js';
import type { Generation, SqliteEmbeddingSpaces } from '../sqlite-embedding-spaces.js';
import type { MemoryStatements } from '../sqlite-memory-statements.js';

/** The move of all memories to another embedding space. Every method is part of a transaction. */
export class SqliteReembedding {
  constructor(
    private readonly statements: MemoryStatements,
    private readonly spaces: SqliteEmbeddingSpaces,
  ) {}

  begin(space: EmbeddingSpace): void {
    const { current, next } = this.spaces.read();
    if (next && isSameSpace(next.space, space)) return;
    if (next) {
      if (current) this.statements.resetGeneration.run(current.number, next.number);
      this.spaces.drop(next);
    }
    this.spaces.add(space, 'next');
  }

  pending(limit: number): PendingReembedding[] {
    const { current, next } = this.spaces.read();
    return current && next ? this.pendingOf(current, limit) : [];
  }

  progress(): { readonly total: number; readonly done: number } {
    const row = this.statements.progress.get(this.spaces.read().next?.number ?? null);
    return { total: Number(row?.total), done: Number(row?.done) };
  }

  put(items: readonly (PendingReembedding & { readonly vector: Float32Array })[]): void {
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

  finish(): void {
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
