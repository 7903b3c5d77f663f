import type { Memory } from '../memory.js';
import { assertComparable, assertVectors } from '../memory-limits.js';
import type { Candidate, CandidateQuery, MemoryFilter } from '../memory-store.port.js';
import type { SqliteEmbeddingSpaces } from './sqlite-embedding-spaces.js';
import { asOf, conditionsOf, type SqlFilter } from './sqlite-memory-filter.js';
import type { Row } from './sqlite-memory-rows.js';
import type { MemoryStatements } from './sqlite-memory-statements.js';
import type { SqliteVectorTable } from './sqlite-vector-table.js';

// A search looks for at most this many times what is wanted, where records that cannot be read take the places.
const MAX_FACTOR = 8;

/** What a query may mean, by vector and by words. Every method is part of a transaction. */
export class SqliteCandidates {
  constructor(
    private readonly statements: MemoryStatements,
    private readonly spaces: SqliteEmbeddingSpaces,
    private readonly decode: (row: Row) => Memory | undefined,
  ) {}

  /** @throws MemoryVectorError */
  find(userId: string, { vector, limit, filter }: CandidateQuery): Candidate[] {
    const vectors = vector && this.searchable(vector);
    if (!vector || !vectors) return [];
    return this.nearest(userId, vectors, vector, limit, filter);
  }

  private nearest(
    userId: string,
    vectors: SqliteVectorTable,
    vector: Float32Array,
    limit: number,
    filter: MemoryFilter | undefined,
  ): Candidate[] {
    for (let factor = 1; ; factor *= 2) {
      const rows = vectors.search(userId, vector, limit * factor, rowidFilter(userId, filter));
      const found = rows.flatMap(({ seq, similarity }) => {
        const row = this.statements.read.get(seq);
        const memory = row && this.decode(row);
        return memory
          ? [{ memory: asOf(memory, filter?.asOfMs), cosine: similarity, bm25: null, matchedTerms: [] }]
          : [];
      });
      if (found.length >= limit || rows.length < limit * factor || factor >= MAX_FACTOR) return found.slice(0, limit);
    }
  }

  private searchable(vector: Float32Array): SqliteVectorTable | undefined {
    const { current } = this.spaces.read();
    if (current) assertVectors([vector], current.space);
    else assertComparable(vector);
    return current?.vectors;
  }
}

function rowidFilter(userId: string, filter: MemoryFilter | undefined): SqlFilter | undefined {
  const { sql, params } = conditionsOf(filter);
  if (sql === '') return undefined;
  return {
    sql: `AND rowid IN (SELECT seq FROM memories WHERE user_id = ?${sql})`,
    params: [userId, ...params],
  };
}
