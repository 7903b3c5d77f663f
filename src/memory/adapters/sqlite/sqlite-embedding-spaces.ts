import type { SqliteDatabase, SqliteStatement } from '../../../infra/sqlite/index.js';
import type { EmbeddingSpace } from '../../memory.js';
import { SqliteVectorTable } from './search/sqlite-vector-table.js';

/** An embedding space with its vectors. Numbers are never used again. */
export interface Generation {
  readonly number: number;
  readonly space: EmbeddingSpace;
  readonly vectors: SqliteVectorTable;
}

export interface Generations {
  readonly current: Generation | undefined;
  readonly next: Generation | undefined;
}

interface SpaceStatements {
  readonly read: SqliteStatement;
  /** model, dimensions, is next */
  readonly add: SqliteStatement;
  /** generation */
  readonly remove: SqliteStatement;
  readonly makeNextCurrent: SqliteStatement;
}

/**
 * The embedding spaces of the store. Every method is part of a transaction, and what it returns is true within that one
 * only: another process may claim or finish a space at any other time.
 */
export class SqliteEmbeddingSpaces {
  private readonly statements: SpaceStatements;
  /** By generation; so that their statements are prepared once. */
  private tables = new Map<number, SqliteVectorTable>();

  constructor(private readonly database: SqliteDatabase) {
    this.statements = {
      read: database.prepare('SELECT generation, model, dimensions, is_next FROM memory_spaces'),
      add: database.prepare('INSERT INTO memory_spaces (model, dimensions, is_next) VALUES (?, ?, ?)'),
      remove: database.prepare('DELETE FROM memory_spaces WHERE generation = ?'),
      makeNextCurrent: database.prepare('UPDATE memory_spaces SET is_next = 0'),
    };
  }

  read(): Generations {
    const known = this.tables;
    this.tables = new Map();
    let current: Generation | undefined;
    let next: Generation | undefined;
    for (const { generation, model, dimensions, is_next: isNext } of this.statements.read.all()) {
      const number = Number(generation);
      const vectors = known.get(number) ?? new SqliteVectorTable(this.database, number);
      this.tables.set(number, vectors);
      const found = { number, space: { model: String(model), dimensions: Number(dimensions) }, vectors };
      if (isNext === 1) next = found;
      else current = found;
    }
    return { current, next };
  }

  add(space: EmbeddingSpace, as: 'current' | 'next'): void {
    const { lastInsertRowid } = this.statements.add.run(space.model, space.dimensions, as === 'next' ? 1 : 0);
    SqliteVectorTable.create(this.database, Number(lastInsertRowid), space);
  }

  drop({ number }: Generation): void {
    this.statements.remove.run(number);
    SqliteVectorTable.drop(this.database, number);
  }

  makeNextCurrent(): void {
    this.statements.makeNextCurrent.run();
  }
}
