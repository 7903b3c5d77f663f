import { z } from 'zod';
import type { Memory } from '../memory.js';
import { assertComparable, assertVectors, clampSimilarity } from '../memory-limits.js';
import type { Candidate, CandidateQuery } from '../memory-store.port.js';
import { bm25, type TermStatistics } from './bm25.js';
import { chunksOf } from './batches.js';
import { asOf, matchesFilter } from './memory-filter.js';
import type { RedisEmbeddingSpaces } from './redis-embedding-spaces.js';
import { encodeVector, type IndexedWords, parseIndexedWords } from './redis-memory-records.js';
import { type MemoryRow, parseRows, parseSimilarities, parseWords } from './redis-memory-replies.js';
import { READ } from './redis-read-scripts.js';
import { FIND_WORDS } from './redis-term-scripts.js';
import type { RedisUsers } from './redis-users.js';

// How many neighbours a search weighs (EF). Of the nearest ten among 100,000 vectors of 384 dimensions this found 96 to 99 %;
// Redis' own 100 found 71 to 94 %.
const SEARCH_EFFORT = 400;
// Where a filter leaves too few, or records cannot be read, so many times as many are looked at next.
const GROWTH = 4;
// Rows read together: a hundred hold the server for a few tenths of a millisecond.
const ROWS_AT_ONCE = 500;
// BM25 in the index goes by the average length of the time when a memory was written; so the best may stand a little lower.
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
      if (isEnough) return this.describe(set, query, hits, nearest, best);
    }
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

  /** The numbers of what was found nearest, and of the best of what was found by words. */
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
    const similarity = async (id: string): Promise<number | null> =>
      vector === undefined ? null : (similarities.get(id) ?? this.similarity(set, id, vector));
    return Promise.all(
      [...union.values()].map(async ({ memory, score, matched }) => ({
        memory: asOf(memory, filter?.asOfMs),
        cosine: await similarity(memory.id),
        bm25: terms === undefined ? null : score,
        matchedTerms: matched,
      })),
    );
  }

  /** Of one memory to the query, by its quantised vector, as VSIM has it; `null` where it has none any more. */
  private async similarity(set: string, id: string, vector: Float32Array): Promise<number | null> {
    const reply: unknown = await this.users.connections.commands.callBuffer('VEMB', set, id, 'RAW');
    if (reply === null) return null;
    const [, components, , range] = rawVector.parse(reply);
    const scale = range / 127;
    let product = 0;
    for (const [index, component] of components.entries()) product += component * (vector[index] ?? 0);
    return clampSimilarity(product * scale);
  }
}

const text = z.instanceof(Buffer).transform(String);

/** `VEMB … RAW` of a vector quantised to 8 bits: how, components, norm, and what 127 stands for. */
const rawVector = z.tuple([
  text.pipe(z.literal('int8')),
  z.instanceof(Buffer).transform((bytes) => new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length)),
  text,
  text.pipe(z.coerce.number()),
]);
