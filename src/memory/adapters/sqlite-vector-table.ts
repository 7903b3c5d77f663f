import type { SqliteDatabase, SqliteStatement } from '../../infra/sqlite/index.js';
import type { EmbeddingSpace, MemoryTier } from '../memory.js';
import { MemoryVectorError } from '../memory.errors.js';
import { clampSimilarity } from '../memory-limits.js';

/**
 * Vectors whose place is allocated at once, for each user and tier. With the default of 1,024 a user with one memory
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
  /** vector, owner, count */
  readonly search: SqliteStatement;
  /** vector, owner, count, user id, now: leaves out what has expired. */
  readonly searchShadow: SqliteStatement;
}

/** The vectors of one embedding space; exact search by user and tier. Every method is part of a transaction. */
export class SqliteVectorTable {
  private readonly statements: VectorStatements;

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
        `The embedding model ${model} has ${dimensions} dimensions, and a file can hold 1 to ${MAX_DIMENSIONS}; use another model, or Redis.`,
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
  put(seq: number, userId: string, tier: MemoryTier, vector: Float32Array): void {
    this.remove(seq);
    this.add(seq, userId, tier, vector);
  }

  /** Of a memory that has none yet: looking for one takes a tenth of an insertion, the sync aside. */
  add(seq: number, userId: string, tier: MemoryTier, vector: Float32Array): void {
    this.statements.add.run(BigInt(seq), ownerOf(userId, tier), bytesOf(vector));
  }

  remove(seq: number): void {
    this.statements.remove.run(BigInt(seq));
  }

  /** The most similar memories of a tier, most similar first; none that has expired. */
  search(userId: string, tier: MemoryTier, vector: Float32Array, limit: number): SimilarRow[] {
    const { search, searchShadow } = this.statements;
    const args = [bytesOf(vector), ownerOf(userId, tier), BigInt(Math.min(limit, MAX_RESULTS))];
    const rows = tier === 'memory' ? search.all(...args) : searchShadow.all(...args, userId, Date.now());
    return rows.map(({ rowid, distance }) => ({
      seq: Number(rowid),
      similarity: clampSimilarity(1 - Number(distance)),
    }));
  }
}

const tableName = (generation: number): string => `memory_vectors_${generation}`;
const ownerOf = (userId: string, tier: MemoryTier): string => `${tier}:${userId}`;
const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function prepareStatements(database: SqliteDatabase, table: string): VectorStatements {
  const search = `SELECT rowid, distance FROM ${table} WHERE embedding MATCH ? AND owner = ? AND k = ?`;
  return {
    add: database.prepare(`INSERT INTO ${table} (rowid, owner, embedding) VALUES (?, ?, ?)`),
    remove: database.prepare(`DELETE FROM ${table} WHERE rowid = ?`),
    search: database.prepare(`${search} ORDER BY distance`),
    searchShadow: database.prepare(`
      ${search} AND rowid IN (SELECT seq FROM memories WHERE user_id = ? AND expires_at_ms > ?)
      ORDER BY distance`),
  };
}
