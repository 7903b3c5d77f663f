import type { StreamEntry } from './input-stream.port.js';

// Finished appends are removed this many at a time: removing each by itself would move all the others.
const REMOVAL_BATCH = 256;

/** An append that was started and may not be finished. */
export interface PendingAppend {
  readonly entry: StreamEntry;
  readonly characters: number;
  /** Resolves when it is finished, whether or not it succeeded. */
  settled: Promise<void>;
  /** The spool has the entry, too, and sends it again: the outcome of this append no longer matters. */
  isSpooled: boolean;
  isFinished: boolean;
}

/**
 * The appends that are not finished, in the order of their captures.
 *
 * An array, because a Set keeps the garbage of the thousands of entries a second that pass through it: each table that
 * it outgrows points to the next one, and a table that was promoted to the old generation keeps all later ones alive
 * until the next full collection.
 */
export class PendingAppends {
  private readonly queue: PendingAppend[] = [];
  private first = 0;
  private finishedCount = 0;

  /** How many are not finished. */
  get count(): number {
    return this.queue.length - this.finishedCount;
  }

  /** How many are kept in memory: finished ones behind one that is not are among them. */
  get length(): number {
    return this.queue.length - this.first;
  }

  add(append: PendingAppend): void {
    this.queue.push(append);
  }

  finish(append: PendingAppend): void {
    append.isFinished = true;
    this.finishedCount += 1;
    while (this.queue[this.first]?.isFinished) this.first += 1;
    if (this.first < REMOVAL_BATCH && this.first < this.queue.length) return;
    this.queue.splice(0, this.first);
    this.finishedCount -= this.first;
    this.first = 0;
  }

  /** Those that are not finished, oldest first; a copy. */
  current(): PendingAppend[] {
    return this.queue.slice(this.first).filter(({ isFinished }) => !isFinished);
  }
}
