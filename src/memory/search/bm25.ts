// As usual; see Robertson and Zaragoza, The Probabilistic Relevance Framework (2009), 3.4.
const K1 = 1.2;
const B = 0.75;

/** The statistics of all documents that BM25 needs. */
export interface TermStatistics {
  readonly documents: number;
  /** Terms of all documents together. */
  readonly length: number;
  /** How many documents have each term of the query. */
  readonly frequencies: ReadonlyMap<string, number>;
}

/** How well a document answers the query of `statistics`, and which of the query's terms it has. */
export function bm25(
  document: { readonly length: number; readonly counts: Pick<ReadonlyMap<string, number>, 'get'> },
  { documents, length, frequencies }: TermStatistics,
): { readonly score: number; readonly matched: readonly string[] } {
  const relativeLength = (document.length * documents) / Math.max(1, length);
  const matched: string[] = [];
  let score = 0;
  for (const [term, frequency] of frequencies) {
    const count = document.counts.get(term);
    if (count === undefined) continue;
    matched.push(term);
    score += termScore(documents, frequency)(count, relativeLength);
  }
  return { score, matched };
}

/**
 * What a term that `frequency` of the documents have adds to the score of one that has it `count` times and is
 * `relativeLength` as long as they are on average.
 */
export function termScore(documents: number, frequency: number): (count: number, relativeLength: number) => number {
  const idf = Math.log(1 + (documents - frequency + 0.5) / (frequency + 0.5));
  return (count, relativeLength) => (idf * count * (K1 + 1)) / (count + K1 * (1 - B + B * relativeLength));
}
