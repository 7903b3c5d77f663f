import { Logger } from '@nestjs/common';
import { fullJitterBackoffMs } from '../../shared/index.js';
import type { DeliveredEntry, InputStream, Unsettled } from '../../stream/index.js';
import type { InFlightEntries } from './in-flight-entries.js';

// How often the stream is asked whether other workers have finished their entries: most need only milliseconds.
const POLL = { initialMs: 10, maxMs: 250 };

// For entries of this process its waiters are woken at once; this look finds what was released without a wake-up.
const LOCAL_CHECK_MS = 1_000;

// Receipts that nobody waits for any more. Old ones may be dropped, unless their entries are still in flight here.
const MAX_UNBLOCKED = 10_000;

// An entry that keeps failing at another worker blocks its user no longer than this.
const MAX_WAIT_MS = 120_000;
const CLAIM_IDLE_TIMES = 1.5;

export interface Sequenced {
  readonly delivered: DeliveredEntry;
}

export interface SequencingOptions {
  readonly signal: AbortSignal;
  /** Called when something has to wait. */
  readonly onBlocked?: () => void;
}

/** The entries of one user in one batch, waiting. */
interface Waiter {
  unsettled: Unsettled;
  /** When an entry of the user was last finished. */
  progressAt: number;
  wake: () => void;
}

/**
 * How long an entry waits, at most, for earlier entries of its user at another worker while none of them progresses:
 * long enough for those of a crashed worker to be taken over, if that takes less than 80 seconds.
 */
export function longestWaitMs(claimIdleMs: number): number {
  return Math.min(MAX_WAIT_MS, CLAIM_IDLE_TIMES * claimIdleMs);
}

/**
 * Keeps the order of each user's messages across batches and workers.
 *
 * An entry waits until the earlier entries of its user are remembered. It does not wait for entries that failed or are
 * in quarantine, and those do not wait either. For entries in flight in this process it waits as long as they take; for
 * entries elsewhere, up to `longestMs` without progress. Waits only point to earlier entries, so they cannot deadlock.
 */
export class UserSequencer {
  private readonly logger = new Logger('MemoryWorker');
  /** Receipts that nobody here waits for: remembered, failed, in quarantine, or waited for too long. */
  private readonly unblocked = new Set<string>();
  private readonly waiters = new Map<string, Set<Waiter>>();

  constructor(
    private readonly stream: InputStream,
    private readonly inFlight: InFlightEntries,
    private readonly longestMs: number,
  ) {}

  /** What the batch may have to wait for. Ask early: entries appended later come after it. */
  async earlierThan(batch: readonly DeliveredEntry[]): Promise<ReadonlyMap<string, Unsettled>> {
    return this.stream.earlier(batch);
  }

  /**
   * Yields the entries of a batch in portions, each as soon as nothing before it is open.
   * @param earlier result of {@link earlierThan}
   * @throws AbortError, StreamUnavailableError
   */
  async *inOrder<T extends Sequenced>(
    batch: readonly T[],
    earlier: ReadonlyMap<string, Unsettled>,
    { signal, onBlocked }: SequencingOptions,
  ): AsyncGenerator<T[], void> {
    const waiters = this.register(earlier);
    let rest = batch;
    let polls = 0;
    try {
      for (;;) {
        const free = rest.filter((one) => !this.mustWait(one, waiters));
        if (free.length > 0) yield free;
        rest = rest.filter((one) => !free.includes(one));
        if (rest.length === 0) return;
        if (free.length > 0) continue;
        onBlocked?.();
        const isElsewhere = [...waiters.values()].some((waiter) => this.isElsewhere(waiter));
        const pauseMs = isElsewhere ? fullJitterBackoffMs(polls++, POLL) : LOCAL_CHECK_MS;
        const isOver = await pause(pauseMs, waiters, signal);
        signal.throwIfAborted();
        if (isOver && isElsewhere) {
          await this.refresh(rest, waiters);
          this.unblockOverdue(waiters);
        }
      }
    } finally {
      this.unregister(waiters);
    }
  }

  /** From now on nobody waits for these entries. */
  unblock(delivered: readonly DeliveredEntry[]): void {
    for (const { receipt, entry } of delivered) this.unblockReceipts(entry.userId, [receipt]);
  }

  private mustWait({ delivered }: Sequenced, waiters: ReadonlyMap<string, Waiter>): boolean {
    const waiter = waiters.get(delivered.entry.userId);
    return waiter !== undefined && !this.unblocked.has(delivered.receipt) && this.openOf(waiter).length > 0;
  }

  private openOf({ unsettled }: Waiter): string[] {
    return unsettled.receipts.filter((receipt) => !this.unblocked.has(receipt));
  }

  private isElsewhere(waiter: Waiter): boolean {
    return this.openOf(waiter).some((receipt) => !this.inFlight.has(receipt));
  }

  private async refresh(rest: readonly Sequenced[], waiters: ReadonlyMap<string, Waiter>): Promise<void> {
    const earlier = await this.stream.earlier(rest.map(({ delivered }) => delivered));
    for (const [userId, waiter] of waiters) {
      const unsettled = earlier.get(userId) ?? { receipts: [], count: 0 };
      if (unsettled.count < waiter.unsettled.count) waiter.progressAt = performance.now();
      waiter.unsettled = unsettled;
    }
  }

  private unblockOverdue(waiters: ReadonlyMap<string, Waiter>): void {
    const before = performance.now() - this.longestMs;
    for (const [userId, waiter] of waiters) {
      const elsewhere = this.openOf(waiter).filter((receipt) => !this.inFlight.has(receipt));
      if (waiter.progressAt > before || elsewhere.length === 0) continue;
      this.logger.warn(`Stopped waiting for ${elsewhere.length} earlier entries of a user, which other workers hold`);
      this.unblockReceipts(userId, elsewhere);
    }
  }

  private unblockReceipts(userId: string, receipts: readonly string[]): void {
    for (const receipt of receipts) this.unblocked.add(receipt);
    for (const oldest of this.unblocked) {
      if (this.unblocked.size <= MAX_UNBLOCKED) break;
      this.unblocked.delete(oldest);
      // In quarantine: forgotten, it would hold up its user for as long as it stays there.
      if (this.inFlight.has(oldest)) this.unblocked.add(oldest);
    }
    for (const waiter of this.waiters.get(userId) ?? []) {
      waiter.progressAt = performance.now();
      if (receipts.some((receipt) => waiter.unsettled.receipts.includes(receipt))) waiter.wake();
    }
  }

  private register(earlier: ReadonlyMap<string, Unsettled>): Map<string, Waiter> {
    const waiters = new Map<string, Waiter>();
    for (const [userId, unsettled] of earlier) {
      const waiter: Waiter = { unsettled, progressAt: performance.now(), wake: () => undefined };
      waiters.set(userId, waiter);
      this.waiters.set(userId, (this.waiters.get(userId) ?? new Set()).add(waiter));
    }
    return waiters;
  }

  private unregister(waiters: ReadonlyMap<string, Waiter>): void {
    for (const [userId, waiter] of waiters) {
      const all = this.waiters.get(userId);
      all?.delete(waiter);
      if (all?.size === 0) this.waiters.delete(userId);
    }
  }
}

/**
 * Cheaper than a rejected promise for each of many wake-ups.
 * @returns whether the time passed: `false` on wake or abort
 */
async function pause(ms: number, waiters: ReadonlyMap<string, Waiter>, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const end = (): void => {
    resolve(false);
  };
  for (const waiter of waiters.values()) waiter.wake = end;
  const timer = setTimeout(resolve, ms, true);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', end);
  }
}
