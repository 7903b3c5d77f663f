import { Logger } from '@nestjs/common';
import { fullJitterBackoffMs } from '../shared/index.js';
import type { DeliveredEntry, InputStream, Unsettled } from '../stream/index.js';
import type { EntriesInHand } from './entries-in-hand.js';

// How often it is asked whether another worker is done with its entries: soon at first, since most take milliseconds.
const POLL = { initialMs: 10, maxMs: 250 };

// What this process is to do itself is told to those that wait; this is for what it let go of untold.
const LOOK_MS = 1_000;

// Receipts that are remembered as done with. Whoever waits for one is told at once.
const MAX_PASSED = 10_000;

// An entry that keeps failing at another worker holds up its user for no longer.
const MAX_WAIT_MS = 120_000;
const CLAIM_IDLE_TIMES = 1.5;

export interface InTurn {
  readonly delivered: DeliveredEntry;
}

export interface TurnOptions {
  readonly signal: AbortSignal;
  /** Called when something has to wait. */
  readonly onWait?: () => void;
}

/** Waiting of the entries that one batch has of one user. */
interface Wait {
  unsettled: Unsettled;
  /** When something of the user moved last. */
  movedAt: number;
  wake: () => void;
}

/**
 * How long an entry waits, at most, for earlier ones of its user at another worker while none of them moves: long enough
 * that those of a worker that died have been taken over, where that takes less than 80 seconds.
 */
export function longestWaitMs(claimIdleMs: number): number {
  return Math.min(MAX_WAIT_MS, CLAIM_IDLE_TIMES * claimIdleMs);
}

/**
 * Sees to it that what one user says is judged in the order in which it was said, whichever worker has it and whichever
 * batch is ready first.
 *
 * An entry waits until the earlier ones of its user are remembered. It does not wait for what failed or is in doubt here,
 * nor does such an entry wait itself. For what this process has in hand it waits as long as it takes; for what others have,
 * up to `longestMs` without anything moving. Waits only ever point to earlier entries, so they end.
 */
export class UserOrder {
  private readonly logger = new Logger('MemoryWorker');
  /** Receipts of what nobody here waits for: remembered, failed, in doubt, or waited for too long. */
  private readonly passed = new Set<string>();
  private readonly waits = new Map<string, Set<Wait>>();

  constructor(
    private readonly stream: InputStream,
    private readonly inHand: EntriesInHand,
    private readonly longestMs: number,
  ) {}

  /** What may have to be waited for. Ask early: nothing is added to it. */
  async before(batch: readonly DeliveredEntry[]): Promise<ReadonlyMap<string, Unsettled>> {
    return this.stream.earlier(batch);
  }

  /**
   * The entries of a batch in portions, each when its users have their turn.
   * @param before of {@link before}
   * @throws AbortError, StreamUnavailableError
   */
  async *inTurn<T extends InTurn>(
    batch: readonly T[],
    before: ReadonlyMap<string, Unsettled>,
    { signal, onWait }: TurnOptions,
  ): AsyncGenerator<T[], void> {
    const waits = this.begin(before);
    let rest = batch;
    let polls = 0;
    try {
      for (;;) {
        const free = rest.filter((one) => !this.mustWait(one, waits));
        if (free.length > 0) yield free;
        rest = rest.filter((one) => !free.includes(one));
        if (rest.length === 0) return;
        if (free.length > 0) continue;
        onWait?.();
        const isElsewhere = [...waits.values()].some((wait) => this.isElsewhere(wait));
        const pauseMs = isElsewhere ? fullJitterBackoffMs(polls++, POLL) : LOOK_MS;
        const isOver = await pause(pauseMs, waits, signal);
        signal.throwIfAborted();
        if (isOver && isElsewhere) {
          await this.askAgain(rest, waits);
          this.passOverdue(waits);
        }
      }
    } finally {
      this.end(waits);
    }
  }

  /** From now on nobody waits for these. */
  pass(delivered: readonly DeliveredEntry[]): void {
    for (const { receipt, entry } of delivered) this.passOf(entry.userId, [receipt]);
  }

  private mustWait({ delivered }: InTurn, waits: ReadonlyMap<string, Wait>): boolean {
    const wait = waits.get(delivered.entry.userId);
    return wait !== undefined && !this.passed.has(delivered.receipt) && this.openOf(wait).length > 0;
  }

  private openOf({ unsettled }: Wait): string[] {
    return unsettled.receipts.filter((receipt) => !this.passed.has(receipt));
  }

  private isElsewhere(wait: Wait): boolean {
    return this.openOf(wait).some((receipt) => !this.inHand.has(receipt));
  }

  private async askAgain(rest: readonly InTurn[], waits: ReadonlyMap<string, Wait>): Promise<void> {
    const earlier = await this.stream.earlier(rest.map(({ delivered }) => delivered));
    for (const [userId, wait] of waits) {
      const unsettled = earlier.get(userId) ?? { receipts: [], count: 0 };
      if (unsettled.count < wait.unsettled.count) wait.movedAt = performance.now();
      wait.unsettled = unsettled;
    }
  }

  private passOverdue(waits: ReadonlyMap<string, Wait>): void {
    const before = performance.now() - this.longestMs;
    for (const [userId, wait] of waits) {
      const elsewhere = this.openOf(wait).filter((receipt) => !this.inHand.has(receipt));
      if (wait.movedAt > before || elsewhere.length === 0) continue;
      this.logger.warn(`Not waiting any longer for ${elsewhere.length} earlier entry(s) of a user at other workers`);
      this.passOf(userId, elsewhere);
    }
  }

  private passOf(userId: string, receipts: readonly string[]): void {
    for (const receipt of receipts) this.passed.add(receipt);
    for (const oldest of this.passed) {
      if (this.passed.size <= MAX_PASSED) break;
      this.passed.delete(oldest);
    }
    for (const wait of this.waits.get(userId) ?? []) {
      wait.movedAt = performance.now();
      if (receipts.some((receipt) => wait.unsettled.receipts.includes(receipt))) wait.wake();
    }
  }

  private begin(before: ReadonlyMap<string, Unsettled>): Map<string, Wait> {
    const waits = new Map<string, Wait>();
    for (const [userId, unsettled] of before) {
      const wait: Wait = { unsettled, movedAt: performance.now(), wake: () => undefined };
      waits.set(userId, wait);
      this.waits.set(userId, (this.waits.get(userId) ?? new Set()).add(wait));
    }
    return waits;
  }

  private end(waits: ReadonlyMap<string, Wait>): void {
    for (const [userId, wait] of waits) {
      const all = this.waits.get(userId);
      all?.delete(wait);
      if (all?.size === 0) this.waits.delete(userId);
    }
  }
}

/** Many wait and are woken often, so without an error for each. @returns whether the time is over: `false` on abort or wake */
async function pause(ms: number, waits: ReadonlyMap<string, Wait>, signal: AbortSignal): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const end = (): void => {
    resolve(false);
  };
  for (const wait of waits.values()) wait.wake = end;
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
