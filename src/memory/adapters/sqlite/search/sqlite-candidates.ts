import type { SqliteDatabase, SqliteStatement } from '../../../../infra/sqlite/index.js';
import type { Memory } from '../../../memory.js';
import { assertComparable, assertVectors } from '../../../store/memory-limits.js';
import type { Candidate, CandidateQuery, MemoryFilter } from '../../../store/memory-store.port.js';
import { asOf } from '../../shared/memory-filter.js';
import type { SqliteEmbeddingSpaces } from '../sqlite-embedding-spaces.js';
import { conditionsOf, type SqlFilter } from '../sqlite-memory-filter.js';
import type { Row } from '../sqlite-memory-rows.js';
import type { MemoryStatements } from '../sqlite-memory-statements.js';
import type { SqliteTermIndex } from './sqlite-term-index.js';
import { SqliteWordSearch, type WordHits } from './sqlite-word-search.js';
import type { SqliteVectorTable } from './sqlite-vector-table.js';

// A search with a filter first reads this many times the wanted number of nearest memories and filters them, because
// most filters keep most memories. Only if too few are left does the search itself filter, which reads all rows of the
// user.
const FIRST_LOOK = 4;
// If unreadable records take places, the next look reads this many times as many.
const GROWTH = 4;

interface Parts {
  readonly statements: MemoryStatements;
  readonly spaces: SqliteEmbeddingSpaces;
  readonly terms: SqliteTermIndex;
}

/** A running search. */
interface Search {
  readonly userId: string;
  readonly limit: number;
  readonly filter: MemoryFilter | undefined;
  readonly conditions: SqlFilter;
  /** By seq; `undefined` for an unreadable record. */
  readonly memories: Map<number, Memory | undefined>;
}

/** Finds the candidates of a query by vector and by words. Every method is part of a transaction. */
export class SqliteCandidates {
  private readonly words: SqliteWordSearch;
  /** By their conditions. */
  private readonly filters = new Map<string, SqliteStatement>();

  constructor(
    private readonly database: SqliteDatabase,
    private readonly parts: Parts,
    private readonly decode: (row: Row) => Memory | undefined,
  ) {
    this.words = new SqliteWordSearch(parts.statements, parts.terms);
  }

  /** @throws MemoryVectorError */
  find(userId: string, { vector, terms, limit, filter }: CandidateQuery): Candidate[] {
    const vectors = vector && this.searchable(vector);
    if (limit < 1) return [];
    const search: Search = { userId, limit, filter, conditions: conditionsOf(filter), memories: new Map() };
    const hits = terms && this.words.find(userId, terms);
    const near = vector && vectors ? this.nearest(search, vectors, vector) : new Map<number, number>();
    const best = hits ? this.best(search, hits) : [];
    return [...new Set([...near.keys(), ...best])].flatMap((seq) => {
      const memory = search.memories.get(seq);
      if (!memory) return [];
      const cosine = near.get(seq) ?? (vector && vectors?.similarity(seq, vector)) ?? null;
      return [{ memory: asOf(memory, filter?.asOfMs), cosine, ...wordsOf(hits, seq) }];
    });
  }

  /** The nearest memories that can be read and are not filtered out, with their cosines. */
  private nearest(search: Search, vectors: SqliteVectorTable, vector: Float32Array): ReadonlyMap<number, number> {
    const { userId, limit, conditions } = search;
    const look = (count: number, filter?: SqlFilter): { found: Map<number, number>; isEnough: boolean } => {
      const rows = vectors.search(userId, vector, count, filter);
      const similarities = new Map(rows.map(({ seq, similarity }) => [seq, similarity]));
      const readable = this.readable(search, [...similarities.keys()]);
      const found = new Map(readable.map((seq) => [seq, similarities.get(seq) ?? 0]));
      return { found, isEnough: found.size >= limit || rows.length < count };
    };
    const filter = rowidFilter(userId, conditions);
    const first = look(filter ? limit * FIRST_LOOK : limit);
    if (first.isEnough) return first.found;
    for (let count = limit; ; count *= GROWTH) {
      const { found, isEnough } = look(count, filter);
      if (isEnough) return found;
    }
  }

  private best(search: Search, hits: WordHits): number[] {
    const count = search.limit * FIRST_LOOK;
    const first = hits.best(count);
    const readable = this.readable(search, first);
    if (readable.length >= search.limit || first.length < count) return readable;
    return this.readable(search, hits.best(Infinity));
  }

  /** The first `limit` of `seqs`, best first, that can be read and that the filter leaves in. */
  private readable(search: Search, seqs: readonly number[]): number[] {
    const found: number[] = [];
    for (let start = 0, size = 2 * search.limit; start < seqs.length && found.length < search.limit; size *= 2) {
      const allowed = this.allowed(search, seqs.slice(start, start + size));
      for (const seq of allowed) {
        if (found.length >= search.limit) break;
        if (this.read(search, seq)) found.push(seq);
      }
      start += size;
    }
    return found;
  }

  private allowed({ conditions: { sql, params } }: Search, seqs: readonly number[]): readonly number[] {
    if (sql === '') return seqs;
    let statement = this.filters.get(sql);
    if (!statement) {
      statement = this.database.prepare(`
        SELECT json_group_array(seq) AS seqs FROM memories WHERE seq IN (SELECT value FROM json_each(?))${sql}`);
      this.filters.set(sql, statement);
    }
    const allowed = new Set(JSON.parse(String(statement.get(JSON.stringify(seqs), ...params)?.seqs)) as number[]);
    return seqs.filter((seq) => allowed.has(seq));
  }

  private read({ memories }: Search, seq: number): Memory | undefined {
    if (!memories.has(seq)) {
      const row = this.parts.statements.read.get(seq);
      memories.set(seq, row && this.decode(row));
    }
    return memories.get(seq);
  }

  private searchable(vector: Float32Array): SqliteVectorTable | undefined {
    const { current } = this.parts.spaces.read();
    if (current) assertVectors([vector], current.space);
    else assertComparable(vector);
    return current?.vectors;
  }
}

function wordsOf(hits: WordHits | undefined, seq: number): Pick<Candidate, 'bm25' | 'matchedTerms'> {
  return hits ? { bm25: hits.score(seq), matchedTerms: hits.matched(seq) } : { bm25: null, matchedTerms: [] };
}

function rowidFilter(userId: string, { sql, params }: SqlFilter): SqlFilter | undefined {
  if (sql === '') return undefined;
  return { sql: `AND rowid IN (SELECT seq FROM memories WHERE user_id = ?${sql})`, params: [userId, ...params] };
}
