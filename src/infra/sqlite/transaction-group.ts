import type { SqliteDatabase } from './sqlite-database.js';

interface Piece {
  readonly work: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Work that comes within one turn of the event loop, in one transaction: a commit takes longer than the few rows that one
 * request writes. What makes a piece fail, a full disk or a lock that is held, makes those with it fail as well.
 */
export class TransactionGroup {
  private waiting: Piece[] = [];

  /** @param maxPieces in one transaction, for which the event loop stands still */
  constructor(
    private readonly database: SqliteDatabase,
    private readonly maxPieces: number,
  ) {}

  /** Resolves when `work`, which is synchronous and short, is committed. @throws what it throws; SQLite's errors */
  async run(work: () => void): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.waiting.push({ work, resolve, reject });
      if (this.waiting.length === 1) this.commitSoon();
    });
  }

  private commitSoon(): void {
    setImmediate(() => void this.commit());
  }

  private async commit(): Promise<void> {
    const pieces = this.waiting.splice(0, this.maxPieces);
    if (this.waiting.length > 0) this.commitSoon();
    try {
      await this.database.transaction(() => {
        for (const { work } of pieces) work();
      });
      for (const { resolve } of pieces) resolve();
    } catch (error) {
      for (const { reject } of pieces) reject(error);
    }
  }
}
