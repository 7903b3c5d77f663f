import type { SqliteDatabase, SqliteStatement } from '../../../../infra/sqlite/index.js';

// A document is its memory's number and its length in one, so that the list of a term tells all that BM25 asks for.
const LENGTHS = 4_096;
/** What longer ones are taken for in the number of their document; their length is with their memory. */
const LONG = LENGTHS - 1;

/** A memory as the index knows it. */
export interface Document {
  readonly seq: number;
  /** The number of terms with repetitions; `undefined` if it is {@link LONG} or more. */
  readonly length: number | undefined;
}

/** The documents that have a term. */
export interface Postings {
  readonly term: string;
  /** Numbers of documents, rising. */
  readonly documents: readonly number[];
  /** How often those have it that have it more than once. */
  readonly repetitions: ReadonlyMap<number, number>;
}

/** How often a memory has each of its terms. */
export type TermCounts = ReadonlyMap<string, number>;

/**
 * Which memories have which terms, in an index of FTS5 that keeps no text and no places (`detail=none`). A token is a
 * term with the number of its user before it, so that what one user says costs another nothing and is nothing to them.
 * How often a memory has a term is in tokens as well: `7>2:tea`, that it is 2² times or more, and `7.0:tea`, that the
 * binary digit of 2⁰ below the highest is set. With `secure-delete` nothing is left of a token that no memory has.
 * Every method is part of a transaction.
 */
export class SqliteTermIndex {
  private readonly insert: SqliteStatement;
  private readonly delete: SqliteStatement;
  private readonly find: SqliteStatement;

  constructor(database: SqliteDatabase) {
    this.insert = database.prepare('INSERT INTO memory_terms (rowid, tokens) VALUES (?, ?)');
    this.delete = database.prepare(`INSERT INTO memory_terms (memory_terms, rowid, tokens) VALUES ('delete', ?, ?)`);
    // One text for a whole list: a row for each would take ten times as long.
    this.find = database.prepare('SELECT group_concat(rowid) AS rowids FROM memory_terms WHERE memory_terms MATCH ?');
  }

  add(user: number, seq: number, counts: TermCounts): void {
    this.insert.run(BigInt(documentOf(seq, lengthOf(counts))), tokensOf(user, counts));
  }

  /** @param counts exactly those that it was added with */
  remove(user: number, seq: number, counts: TermCounts): void {
    this.delete.run(BigInt(documentOf(seq, lengthOf(counts))), tokensOf(user, counts));
  }

  postings(user: number, term: string): Postings {
    const documents = this.documents(`${user}:${term}`);
    return { term, documents, repetitions: documents.length === 0 ? new Map() : this.repetitions(user, term) };
  }

  private repetitions(user: number, term: string): ReadonlyMap<number, number> {
    const counts = new Map<number, number>();
    let highest = 0;
    for (;;) {
      const documents = this.documents(`${user}>${highest + 1}:${term}`);
      if (documents.length === 0) break;
      highest++;
      for (const document of documents) counts.set(document, 2 ** highest);
    }
    for (let digit = 0; digit < highest; digit++) {
      for (const document of this.documents(`${user}.${digit}:${term}`)) {
        counts.set(document, (counts.get(document) ?? 0) + 2 ** digit);
      }
    }
    return counts;
  }

  private documents(token: string): number[] {
    const rowids = this.find.get(`"${token.replaceAll('"', '""')}"`)?.rowids;
    return typeof rowids === 'string' ? (JSON.parse(`[${rowids}]`) as number[]) : [];
  }
}

export function countTerms(terms: readonly string[]): TermCounts {
  const counts = new Map<string, number>();
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  return counts;
}

/** @param length terms with repetitions */
export const documentOf = (seq: number, length: number): number => seq * LENGTHS + Math.min(LONG, length);

export const documentAt = (document: number): Document => {
  const length = document % LENGTHS;
  return { seq: Math.floor(document / LENGTHS), length: length === LONG ? undefined : length };
};

function lengthOf(counts: TermCounts): number {
  let length = 0;
  for (const count of counts.values()) length += count;
  return length;
}

function tokensOf(user: number, counts: TermCounts): string {
  const tokens: string[] = [];
  for (const [term, count] of counts) {
    tokens.push(`${user}:${term}`);
    const highest = Math.floor(Math.log2(count));
    for (let digit = 0; digit < highest; digit++) {
      tokens.push(`${user}>${digit + 1}:${term}`);
      if (Math.floor(count / 2 ** digit) % 2 === 1) tokens.push(`${user}.${digit}:${term}`);
    }
  }
  return tokens.join(' ');
}
