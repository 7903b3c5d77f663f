import { setImmediate as endOfTick } from 'node:timers/promises';
import { sleep } from '@archive-brain/common';

export interface TickBatcherOptions<Item> {
  /** Most items of one batch. */
  readonly maxItems: number;
  /** Bounds a batch by more than its number of items; an item that is larger than `max` is a batch by itself. */
  readonly size?: { readonly max: number; readonly of: (item: Item) => number };
  /** Most items that wait for a batch. Without a bound, work that hangs fills the memory. */
  readonly maxWaiting: number;
  /** The error for an item that comes when `maxWaiting` wait. */
  readonly overflow: () => Error;
  /**
   * Runs one batch at a time, in order. When a batch fails, all waiting items fail with it, so that a caller that adds
   * them again keeps their order. The next batch starts `intervalMs` after the last one started, or as soon as
   * `maxItems` wait. Without this option batches may overlap, and each fails alone.
   */
  readonly ordered?: { readonly intervalMs: number };
}

interface WaitingItem<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Runs what is added in one tick of the event loop as one batch: a command, a write or a commit for many items costs
 * about as much as for one. An item that comes alone is run at the end of its tick. Between two batches the event loop
 * gets a turn.
 */
export class TickBatcher<Item, Result = void> {
  private waiting: WaitingItem<Item, Result>[] = [];
  private isDraining = false;

  /** @param run gives one result for each item, in order, or nothing; what it throws fails every item of the batch */
  constructor(
    private readonly run: (items: readonly Item[]) => Promise<readonly Result[]> | Promise<void>,
    private readonly options: TickBatcherOptions<Item>,
  ) {}

  /** Resolves with the item's result. @throws the error of its batch, or `overflow` */
  async add(item: Item): Promise<Result> {
    const { maxWaiting, overflow } = this.options;
    if (this.waiting.length >= maxWaiting) throw overflow();
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.waiting.push({ item, resolve, reject });
    if (!this.isDraining) void this.drain();
    return promise;
  }

  private async drain(): Promise<void> {
    const { ordered, maxItems } = this.options;
    this.isDraining = true;
    await endOfTick();
    while (this.waiting.length > 0) {
      const startedAt = performance.now();
      const settled = this.settle(this.takeBatch());
      if (ordered === undefined) {
        await endOfTick();
        continue;
      }
      await settled;
      const restMs = startedAt + ordered.intervalMs - performance.now();
      if (restMs > 0 && this.waiting.length < maxItems) await sleep(restMs);
    }
    this.isDraining = false;
  }

  private takeBatch(): WaitingItem<Item, Result>[] {
    const { maxItems, size } = this.options;
    let total = 0;
    const end = this.waiting.findIndex(({ item }, index) => {
      total += size?.of(item) ?? 0;
      return index >= maxItems || (index > 0 && size !== undefined && total > size.max);
    });
    return this.waiting.splice(0, end === -1 ? this.waiting.length : end);
  }

  /** Never rejects. */
  private async settle(batch: readonly WaitingItem<Item, Result>[]): Promise<void> {
    try {
      const results = await this.run(batch.map(({ item }) => item));
      // If `run` returns nothing, `Result` is `void`.
      for (const [index, { resolve }] of batch.entries()) resolve(results?.[index] as Result);
    } catch (error) {
      const behind = this.options.ordered === undefined ? [] : this.waiting.splice(0);
      for (const { reject } of [...batch, ...behind]) reject(error);
    }
  }
}
