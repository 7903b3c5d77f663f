import type { MemoryStatements } from './sqlite-memory-statements.js';
import { documentAt, type Postings, type SqliteTermIndex } from './sqlite-term-index.js';
import { termScore } from './bm25.js';

/** What the words of a query found. */
export interface WordHits {
  /** Memories that have any of the terms, best first. */
  readonly best: readonly number[];
  /** BM25 of a memory; 0 where it has none of the terms. */
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
    if (!counts) return NOTHING;
    const lists = terms.map((term) => this.index.postings(Number(counts.user), term));
    return new Hits(lists, this.score(lists, Number(counts.indexed), Number(counts.terms)));
  }

  private score(lists: readonly Postings[], documents: number, length: number): Map<number, number> {
    const scores = new Map<number, number>();
    const relativeLengths = new Map<number, number>();
    const relativeLength = (document: number): number => {
      let relative = relativeLengths.get(document);
      if (relative === undefined) {
        relative = (this.lengthOf(document) * documents) / Math.max(1, length);
        relativeLengths.set(document, relative);
      }
      return relative;
    };
    for (const { documents: list, repetitions } of lists) {
      const score = termScore(documents, list.length);
      for (const document of list) {
        const more = score(repetitions.get(document) ?? 1, relativeLength(document));
        scores.set(document, (scores.get(document) ?? 0) + more);
      }
    }
    return scores;
  }

  private lengthOf(document: number): number {
    const { seq, length } = documentAt(document);
    return length ?? Number(this.statements.termCount.get(seq)?.term_count ?? 0);
  }
}

class Hits implements WordHits {
  readonly best: readonly number[];
  private readonly documents = new Map<number, number>();

  constructor(
    private readonly lists: readonly Postings[],
    private readonly scores: ReadonlyMap<number, number>,
  ) {
    // Of equal ones the newest first.
    const sorted = [...scores].sort(([a, scoreOfA], [b, scoreOfB]) => scoreOfB - scoreOfA || b - a);
    this.best = sorted.map(([document]) => {
      const { seq } = documentAt(document);
      this.documents.set(seq, document);
      return seq;
    });
  }

  score(seq: number): number {
    return this.scores.get(this.documents.get(seq) ?? -1) ?? 0;
  }

  matched(seq: number): string[] {
    const document = this.documents.get(seq);
    if (document === undefined) return [];
    return this.lists.flatMap(({ term, documents }) => (has(documents, document) ? [term] : []));
  }
}

const NOTHING: WordHits = { best: [], score: () => 0, matched: () => [] };

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
