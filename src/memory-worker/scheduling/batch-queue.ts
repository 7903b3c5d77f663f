import type { DeliveredEntry } from '../../stream/index.js';

export interface Batch {
  /** The order in which batches were read. */
  readonly position: number;
  readonly entries: readonly DeliveredEntry[];
  /** Whether Vorpal did not answer it before. */
  wentUnanswered: boolean;
}

/** Batches that were read and do not run: new ones, and those that met an outage. Oldest first. */
export class BatchQueue {
  private readonly batches: Batch[] = [];
  private nextPosition = 0;

  get length(): number {
    return this.batches.length;
  }

  add(entries: readonly DeliveredEntry[]): void {
    this.batches.push({ position: this.nextPosition++, entries, wentUnanswered: false });
  }

  /** Back to its place in the order: later batches may wait for its users' entries. */
  putBack(batch: Batch): void {
    const later = this.batches.findIndex(({ position }) => position > batch.position);
    this.batches.splice(later === -1 ? this.batches.length : later, 0, batch);
  }

  takeOldest(): Batch | undefined {
    return this.batches.shift();
  }
}
