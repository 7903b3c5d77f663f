import type { StreamEntry } from './input-stream.port.js';

// Those that have landed leave in portions: each for itself would move all the others.
const REMOVED_AT_ONCE = 256;

/** An append under way. */
export interface Flight {
  readonly entry: StreamEntry;
  readonly characters: number;
  landed: Promise<void>;
  /** The spool has it, too, and sends it again: what becomes of this append does not matter any more. */
  isSpooled: boolean;
  isOver: boolean;
}

/**
 * Appends under way, in the order of their captures.
 *
 * An array, because a Set that thousands a second pass through keeps their garbage: the tables that it outgrows point to
 * their successors, and one that the collector took for long-lived holds all that follow until the next full collection.
 */
export class Flights {
  private readonly queue: Flight[] = [];
  private first = 0;
  private overCount = 0;

  /** Those that are not over. */
  get count(): number {
    return this.queue.length - this.overCount;
  }

  /** What is kept: those that are over behind one that is not are among them. */
  get length(): number {
    return this.queue.length - this.first;
  }

  begin(flight: Flight): void {
    this.queue.push(flight);
  }

  end(flight: Flight): void {
    flight.isOver = true;
    this.overCount += 1;
    while (this.queue[this.first]?.isOver) this.first += 1;
    if (this.first < REMOVED_AT_ONCE && this.first < this.queue.length) return;
    this.queue.splice(0, this.first);
    this.overCount -= this.first;
    this.first = 0;
  }

  /** Those that are not over, oldest first, as they are now. */
  current(): Flight[] {
    return this.queue.slice(this.first).filter(({ isOver }) => !isOver);
  }
}
