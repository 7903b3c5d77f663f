import { z } from 'zod';
import type { Memory } from '../../memory.js';
import { assertComparable, assertVectors, clampSimilarity } from '../../store/memory-limits.js';
import type { Candidate, CandidateQuery } from '../../store/memory-store.port.js';
import { bm25, type TermStatistics } from '../../search/bm25.js';
import { chunksOf } from '../shared/batches.js';
import { asOf, matchesFilter } from '../shared/memory-filter.js';
import type { RedisEmbeddingSpaces } from './redis-embedding-spaces.js';
import { encodeVector, type IndexedWords, parseIndexedWords } from './redis-memory-records.js';
import { type MemoryRow, parseRows, parseSimilarities, parseWords } from './redis-memory-replies.js';
import { READ, READ_VECTORS } from './scripts/redis-read-scripts.js';
import { FIND_WORDS } from './scripts/redis-term-scripts.js';
import type { RedisUsers } from './redis-users.js';

// The number of candidates of a vector search (EF). Among 100,000 vectors of 384 dimensions, 400 finds 96 to 99 % of
// the nearest ten; the default of Redis, 100, finds 71 to 94 %.
const SEARCH_EFFORT = 400;
// If a filter or unreadable records leave too few memories, the next look reads this many times as many.
const GROWTH = 4;
// Rows read together: a hundred hold the server for a few tenths of a millisecond.
const ROWS_AT_ONCE = 500;
// The index computes BM25 with the average length at the time when a memory was written, so the best memories may rank
// a little lower there.
const SPARE_WORD_HITS = 10;
const MOST_TERMS = 1_000;

interface Row {
  readonly memory: Memory;
  readonly words: IndexedWords;
}

interface Hits {
  readonly similarities: ReadonlyMap<string, number>;
  readonly words: readonly string[];
  readonly statistics: TermStatistics;
}

/** Candidates by vector and by words. */
export class RedisMemorySearch {
  constructor(
    private readonly users: RedisUsers,
    private readonly spaces: RedisEmbeddingSpaces,
    private readonly decode: (userId: string, row: MemoryRow) => Memory | undefined,
  ) {}

  async candidates(userId: string, query: CandidateQuery): Promise<Candidate[]> {
    const { vector, limit } = query;
    if (vector !== undefined) assertComparable(vector);
    const { current } = await this.spaces.recent();
    if (current === undefined || limit < 1) return [];
    if (vector !== undefined) assertVectors([vector], current);
    const set = this.users.keys.ofUser(userId).vectors(current.generation);

    const known = new Map<string, Row | undefined>();
    for (let count = limit; ; count *= GROWTH) {
      const hits = await this.find(userId, set, query, count);
      const missing = [...new Set([...hits.similarities.keys(), ...hits.words])].filter((id) => !known.has(id));
      await this.read(userId, missing, known);
      const isIn = ({ memory }: Row): boolean => matchesFilter(memory, query.filter);
      const rowsOf = (ids: Iterable<string>): Row[] => [...ids].flatMap((id) => known.get(id) ?? []).filter(isIn);
      const nearest = rowsOf(hits.similarities.keys()).slice(0, limit);
      const best = rowsOf(hits.words);
      const isEnough =
        (nearest.length >= limit || hits.similarities.size < count) &&
        (best.length >= limit || hits.words.length < count + SPARE_WORD_HITS);
      if (!isEnough) continue;
      if (vector === undefined || nearest.length >= limit) return this.describe(set, query, hits, nearest, best);
      const passed = rowsOf(await this.passedOver(userId, hits, known));
      return this.describe(
        set,
        query,
        hits,
        await this.sorted(set, vector, hits, [...nearest, ...passed], limit),
        best,
      );
    }
  }

  /** Memories that the graph of the vectors did not lead to, which happens to those far from all others. */
  private async passedOver(userId: string, { similarities, statistics }: Hits, known: Map<string, Row | undefined>) {
    if (statistics.documents > 0 && similarities.size >= statistics.documents) return [];
    const all = await this.users.connections.commands.zrange(this.users.keys.ofUser(userId).ids, '0', '-1');
    const passed = all.filter((id) => !similarities.has(id));
    await this.read(
      userId,
      passed.filter((id) => !known.has(id)),
      known,
    );
    return passed;
  }

  private async sorted(set: string, vector: Float32Array, hits: Hits, rows: readonly Row[], limit: number) {
    if (rows.length <= limit) return rows;
    const ids = rows.map(({ memory }) => memory.id);
    const cosines = await this.similarities(set, ids, vector, hits.similarities);
    const cosineOf = ({ memory }: Row): number => cosines.get(memory.id) ?? -1;
    return rows.toSorted((a, b) => cosineOf(b) - cosineOf(a)).slice(0, limit);
  }

  private async find(userId: string, set: string, { vector, terms }: CandidateQuery, count: number): Promise<Hits> {
    const [similarities, words] = await Promise.all([
      vector === undefined ? new Map<string, number>() : this.nearest(set, vector, count),
      terms === undefined ? undefined : this.best(userId, terms.slice(0, MOST_TERMS), count + SPARE_WORD_HITS),
    ]);
    const { ids = [], statistics = { documents: 0, length: 0, frequencies: new Map<string, number>() } } = words ?? {};
    return { similarities, words: ids, statistics };
  }

  /** By itself, not in a script: the server gives it a thread. */
  private async nearest(set: string, vector: Float32Array, count: number): Promise<Map<string, number>> {
    const effort = Math.max(SEARCH_EFFORT, count);
    const query = ['FP32', encodeVector(vector), 'WITHSCORES', 'COUNT', count, 'EF', effort] as const;
    return parseSimilarities(await this.users.connections.commands.call('VSIM', set, ...query));
  }

  private async best(userId: string, terms: readonly string[], count: number) {
    if (terms.length === 0) return undefined;
    const { memories, length, frequencies, ids } = parseWords(
      await this.users.run(FIND_WORDS, userId, [], [count, ...terms]),
    );
    const statistics: TermStatistics = {
      documents: memories,
      length,
      frequencies: new Map(terms.map((term, index) => [term, frequencies[index] ?? 0])),
    };
    return { ids, statistics };
  }

  private async read(userId: string, ids: readonly string[], known: Map<string, Row | undefined>): Promise<void> {
    for (const some of chunksOf(ids, ROWS_AT_ONCE)) {
      for (const row of parseRows(await this.users.run(READ, userId, [], some))) {
        // Deleted meanwhile, it is no record that cannot be read.
        const memory = row.body === null ? undefined : this.decode(userId, row);
        known.set(row.id, memory && { memory, words: parseIndexedWords(row.index) });
      }
    }
  }

  /** The numbers of the nearest memories and of the best by words. */
  private async describe(
    set: string,
    { vector, terms, limit, filter }: CandidateQuery,
    { similarities, statistics }: Hits,
    nearest: readonly Row[],
    best: readonly Row[],
  ): Promise<Candidate[]> {
    const scored = (row: Row) => ({ ...row, ...bm25(row.words, statistics) });
    const bestNow = best
      .map(scored)
      .sort((a, b) => b.score - a.score)
      .slice(0, limit);
    const union = new Map([...nearest.map(scored), ...bestNow].map((one) => [one.memory.id, one]));
    const cosines = vector && (await this.similarities(set, [...union.keys()], vector, similarities));
    return [...union.values()].map(({ memory, score, matched }) => ({
      memory: asOf(memory, filter?.asOfMs),
      cosine: cosines?.get(memory.id) ?? null,
      bm25: terms === undefined ? null : score,
      matchedTerms: matched,
    }));
  }

  /**
   * Cosines of memories to the query: the `known` ones, and the others from the quantised vectors, as VSIM computes
   * them.
   */
  private async similarities(
    set: string,
    ids: readonly string[],
    query: Float32Array,
    known: ReadonlyMap<string, number>,
  ): Promise<ReadonlyMap<string, number>> {
    const others = ids.filter((id) => !known.has(id));
    if (others.length === 0) return known;
    const { commands } = this.users.connections;
    const vectors = rawVectors.parse(await READ_VECTORS.runForBuffers(commands, [set], others));
    const found = new Map(known);
    for (const [index, id] of others.entries()) {
      const [components, range] = vectors[index] ?? [];
      if (components?.length === query.length && range !== undefined)
        found.set(id, similarity(components, range, query));
    }
    return found;
  }
}

const bytes = z.instanceof(Buffer);

/** Vectors quantised to 8 bits: components, and the value that 127 stands for. */
const rawVectors = z.array(
  z.tuple([
    bytes.transform(({ buffer, byteOffset, length }) => new Int8Array(buffer, byteOffset, length)),
    bytes.transform((text) => Number(text.toString())),
  ]),
);

function similarity(components: Int8Array, range: number, query: Float32Array): number {
  let product = 0;
  for (const [index, component] of components.entries()) product += component * (query[index] ?? 0);
  return clampSimilarity((product * range) / 127);
}
