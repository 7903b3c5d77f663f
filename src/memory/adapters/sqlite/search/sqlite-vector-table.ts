import type { SqliteDatabase, SqliteStatement } from '../../../../infra/sqlite/index.js';
import type { EmbeddingSpace } from '../../../memory.js';
import { MemoryVectorError } from '../../../memory.errors.js';
import { clampSimilarity } from '../../../store/memory-limits.js';
import type { SqlFilter } from '../sqlite-memory-filter.js';

/**
 * Vectors whose place is allocated at once, for each user. With the default of 1,024 a user with one memory
 * of 384 dimensions takes 1.5 MB, and 2,000 users 3 GB; a search among 10,000 takes 11 ms with either.
 */
const CHUNK_SIZE = 8;
// sqlite-vec refuses to look for more.
const MAX_RESULTS = 4_096;
// Nor does it take longer vectors; its refusal would look like a file that fails.
const MAX_DIMENSIONS = 8_192;

export interface SimilarRow {
  /** Of the memory. */
  readonly seq: number;
  readonly similarity: number;
}

interface VectorStatements {
  /** seq, owner, vector */
  readonly add: SqliteStatement;
  /** seq */
  readonly remove: SqliteStatement;
  /** vector, seq */
  readonly distance: SqliteStatement;
}

/** The vectors of one embedding space; exact search by user. Every method is part of a transaction. */
export class SqliteVectorTable {
  private readonly statements: VectorStatements;
  /** By filter. */
  private readonly searches = new Map<string, SqliteStatement>();

  /** The table must exist. */
  constructor(
    private readonly database: SqliteDatabase,
    private readonly generation: number,
  ) {
    this.statements = prepareStatements(database, tableName(generation));
  }

  static create(database: SqliteDatabase, generation: number, { model, dimensions }: EmbeddingSpace): void {
    if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > MAX_DIMENSIONS) {
      throw new MemoryVectorError(
        `The embedding model ${model} has ${dimensions} dimensions, and a file can hold 1 to ${MAX_DIMENSIONS}; ` +
          'use another model, or Redis.',
      );
    }
    const table = tableName(generation);
    database
      .prepare(
        `CREATE VIRTUAL TABLE ${table} USING vec0(
          owner TEXT PARTITION KEY,
          embedding FLOAT[${dimensions}] DISTANCE_METRIC=cosine,
          CHUNK_SIZE=${CHUNK_SIZE}
        )`,
      )
      .run();
    // Without it every insertion reads the chunks of all users: 3 ms with 20,000 of them.
    database.prepare(`CREATE INDEX ${table}_chunks_by_owner ON ${table}_chunks (partition00)`).run();
  }

  static drop(database: SqliteDatabase, generation: number): void {
    database.prepare(`DROP TABLE ${tableName(generation)}`).run();
  }

  /** Of a memory that may have a vector in this space. */
  put(seq: number, userId: string, vector: Float32Array): void {
    this.remove(seq);
    this.add(seq, userId, vector);
  }

  /** For a memory without a vector: to look for one takes a tenth of the time of an insertion without its sync. */
  add(seq: number, userId: string, vector: Float32Array): void {
    this.statements.add.run(BigInt(seq), ownerOf(userId), bytesOf(vector));
  }

  remove(seq: number): void {
    this.statements.remove.run(BigInt(seq));
  }

  /** The most similar memories that `filter` lets through, most similar first. */
  search(userId: string, vector: Float32Array, limit: number, filter?: SqlFilter): SimilarRow[] {
    const { sql, params } = filter ?? NO_FILTER;
    const k = BigInt(Math.min(limit, MAX_RESULTS));
    return this.searching(sql)
      .all(bytesOf(vector), ownerOf(userId), k, ...params)
      .map(({ rowid, distance }) => ({ seq: Number(rowid), similarity: similarityOf(distance) }));
  }

  /** The cosine of one memory; `undefined` if it has no vector in this space. */
  similarity(seq: number, vector: Float32Array): number | undefined {
    const row = this.statements.distance.get(bytesOf(vector), BigInt(seq));
    return row && similarityOf(row.distance);
  }

  private searching(filter: string): SqliteStatement {
    let statement = this.searches.get(filter);
    if (!statement) {
      statement = this.database.prepare(`
        SELECT rowid, distance FROM ${tableName(this.generation)} WHERE embedding MATCH ? AND owner = ? AND k = ? ${filter}
        ORDER BY distance`);
      this.searches.set(filter, statement);
    }
    return statement;
  }
}

const NO_FILTER: SqlFilter = { sql: '', params: [] };
const similarityOf = (distance: unknown): number => clampSimilarity(1 - Number(distance));
const tableName = (generation: number): string => `memory_vectors_${generation}`;
const ownerOf = (userId: string): string => `memory:${userId}`;
const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function prepareStatements(database: SqliteDatabase, table: string): VectorStatements {
  return {
    add: database.prepare(`INSERT INTO ${table} (rowid, owner, embedding) VALUES (?, ?, ?)`),
    remove: database.prepare(`DELETE FROM ${table} WHERE rowid = ?`),
    distance: database.prepare(`SELECT vec_distance_cosine(embedding, ?) AS distance FROM ${table} WHERE rowid = ?`),
  };
}
