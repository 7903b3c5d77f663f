export type LineOutcome =
  | { readonly status: 'imported' | 'known' }
  /** `id`: of the memory that has the same text. */
  | { readonly status: 'duplicate'; readonly id: string }
  /** `problem` says what is wrong with the line. */
  | { readonly status: 'failed'; readonly problem: string };

/** Lines in a row, blank ones aside, that came to the same. */
export type LineRun = LineOutcome & { readonly from: number; readonly to: number };

/** What became of each line of an import. */
export interface ImportResult {
  readonly imported: number;
  /** Those that the user had already, or that were counted before; nothing was changed. */
  readonly known: number;
  /** Those whose texts the user had already, which were counted once more. */
  readonly duplicate: number;
  readonly failed: number;
  readonly lines: readonly LineRun[];
  /** Lines that are counted and, for the length of the answer, not told of one by one. */
  readonly linesOmitted: number;
}

// An answer that told of every line of an endless import one by one would not end either.
const MAX_RUNS = 1_000;

export class ImportReport {
  private readonly counts = { imported: 0, known: 0, duplicate: 0, failed: 0 };
  private readonly runs: LineRun[] = [];
  private omitted = 0;

  /** Lines must come in their order. */
  add(line: number, outcome: LineOutcome): void {
    this.counts[outcome.status] += 1;
    const last = this.runs.at(-1);
    if (this.omitted === 0 && last && isSame(last, outcome)) {
      this.runs[this.runs.length - 1] = { ...last, to: line };
    } else if (this.runs.length < MAX_RUNS) {
      this.runs.push({ from: line, to: line, ...outcome });
    } else {
      this.omitted += 1;
    }
  }

  get result(): ImportResult {
    return { ...this.counts, lines: this.runs, linesOmitted: this.omitted };
  }
}

function isSame(a: LineOutcome, b: LineOutcome): boolean {
  if (a.status === 'failed' && b.status === 'failed') return a.problem === b.problem;
  if (a.status === 'duplicate' && b.status === 'duplicate') return a.id === b.id;
  return a.status === b.status;
}
