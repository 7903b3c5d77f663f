import { termScore } from '../../../search/bm25.js';
import type { MemoryStatements } from '../sqlite-memory-statements.js';
import { documentAt, documentOf, type Postings, type SqliteTermIndex } from './sqlite-term-index.js';

/** The hits of the words of a query. */
export interface WordHits {
  /** Up to `count` memories that have any of the terms, best first; of equal ones the newest first. */
  best(count: number): number[];
  /** BM25 of a memory; 0 if it has none of the terms. */
  score(seq: number): number;
  /** The terms that a memory has. */
  matched(seq: number): string[];
}

/** Search by words. Every method is part of a transaction. */
export class SqliteWordSearch {
  constructor(
    private readonly statements: MemoryStatements,
    private readonly index: SqliteTermIndex,
  ) {}

  /** @param terms distinct ones */
  find(userId: string, terms: readonly string[]): WordHits {
    const counts = this.statements.counts.get(userId);
    const lists = counts ? terms.map((term) => this.index.postings(Number(counts.user), term)) : [];
    const scores = this.score(lists, Number(counts?.indexed), Number(counts?.terms));
    return {
      best: (count) => bestOf(scores, count),
      score: (seq) => scores.get(this.documentOf(seq)) ?? 0,
      matched: (seq) => {
        const document = this.documentOf(seq);
        return lists.flatMap(({ term, documents }) => (has(documents, document) ? [term] : []));
      },
    };
  }

  private score(lists: readonly Postings[], documents: number, length: number): ReadonlyMap<number, number> {
    const scores = new Map<number, number>();
    const meanLength = length / Math.max(1, documents);
    for (const { documents: list, repetitions } of lists) {
      const score = termScore(documents, list.length);
      for (const document of list) {
        const more = score(repetitions.get(document) ?? 1, this.lengthOf(document) / meanLength);
        scores.set(document, (scores.get(document) ?? 0) + more);
      }
    }
    return scores;
  }

  private lengthOf(document: number): number {
    const { seq, length } = documentAt(document);
    return length ?? this.termCount(seq);
  }

  private documentOf(seq: number): number {
    return documentOf(seq, this.termCount(seq));
  }

  private termCount(seq: number): number {
    return Number(this.statements.termCount.get(seq)?.term_count ?? 0);
  }
}

function bestOf(scores: ReadonlyMap<number, number>, count: number): number[] {
  // Sorting numbers costs a tenth of sorting pairs, and few of very many are wanted.
  const least = count < scores.size ? (Float64Array.from(scores.values()).sort().at(-count) ?? 0) : 0;
  return [...scores]
    .filter(([, score]) => score >= least)
    .sort(([a, scoreOfA], [b, scoreOfB]) => scoreOfB - scoreOfA || b - a)
    .slice(0, count)
    .map(([document]) => documentAt(document).seq);
}

/** @param rising numbers */
function has(rising: readonly number[], wanted: number): boolean {
  let [low, high] = [0, rising.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rising[middle] ?? Infinity) < wanted) low = middle + 1;
    else high = middle;
  }
  return rising[low] === wanted;
}
