import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { describeError, fullJitterBackoffMs } from '../shared/index.js';
import type { DeliveredEntry } from '../stream/index.js';
import { ControlRequest } from './control-request.js';
import { type Doubt, EntryProcessor } from './entry-processor.js';
import { isOutage, isUnanswered } from './failure-kinds.js';
import { UserOrder } from './user-order.js';
import { WorkerStatus } from './worker-status.js';

// The figures behind these three are in docs/decisions/0009-whose-fault-a-failure-is.md. With fewer, a Vorpal that fails
// now and then would send innocent entries to the dead letters.
const ROUNDS = 5;
const CONTROLS_BEFORE_STRIKE = 10;
const LEAST_STRIKES = 5;

// Each is held in memory and in the stream's list of pending entries.
const MAX_SUSPECTS = 256;

const BACKOFF_INITIAL_MS = 250;

interface Suspect {
  readonly delivered: DeliveredEntry;
  /** It went unanswered when it was tried alone. */
  wentUnanswered: boolean;
  /** How often in a row it went unanswered while Vorpal was seen to answer others. */
  strikes: number;
  dueAt: number;
}

/**
 * Entries that Vorpal fails on though it works for a control request: tried one at a time, beside the batches, until each
 * is processed or found to be the cause.
 *
 * What Vorpal answers wrongly counts as a failed attempt if it fails {@link ROUNDS} times in a row, with control requests
 * that succeed after each. What Vorpal does not answer (it may hang or die of it) gets a strike if {@link CONTROLS_BEFORE_STRIKE}
 * control requests of its length succeed just before; after some strikes in a row, with growing pauses, it is given up.
 * Anything else is an outage, which costs the entry nothing: the whole lane pauses.
 */
@Injectable()
export class SuspectLane {
  private readonly logger = new Logger('MemoryWorker');
  private suspects: Suspect[] = [];
  private outages = 0;
  private resumesAt = 0;

  constructor(
    private readonly processor: EntryProcessor,
    private readonly order: UserOrder,
    private readonly control: ControlRequest,
    private readonly status: WorkerStatus,
    private readonly settings: Settings,
  ) {}

  get size(): number {
    return this.suspects.length;
  }

  hasRoomFor(count: number): boolean {
    return this.suspects.length + count <= MAX_SUSPECTS;
  }

  add(doubts: readonly Doubt[]): void {
    const [first] = doubts;
    if (first === undefined) return;
    this.logger.warn(`Trying ${doubts.length} entry(s) alone, others work: ${describeError(first.failure)}`);
    this.order.pass(doubts.map(({ delivered }) => delivered));
    const dueAt = performance.now();
    this.suspects.push(...doubts.map(({ delivered }) => ({ delivered, wentUnanswered: false, strikes: 0, dueAt })));
  }

  /**
   * Tries the next entry that is due, and calls `settled` where it is done with: processed, counted as failed, or given
   * up. Never throws. @returns whether one was due
   */
  async tryNext(signal: AbortSignal, settled: (delivered: DeliveredEntry) => void): Promise<boolean> {
    const suspect = this.nextDue();
    if (suspect === undefined) return false;
    try {
      if (await this.examine(suspect, signal)) {
        this.suspects = this.suspects.filter((other) => other !== suspect);
        settled(suspect.delivered);
      }
    } catch (error) {
      if (signal.aborted) return false;
      if (!isOutage(error)) this.logger.error(`Entry ${suspect.delivered.entry.id} stays: ${describeError(error)}`);
      suspect.wentUnanswered ||= isUnanswered(error);
      this.pause(suspect);
    }
    return true;
  }

  private nextDue(): Suspect | undefined {
    const now = performance.now();
    return now < this.resumesAt ? undefined : this.suspects.find(({ dueAt }) => dueAt <= now);
  }

  /** @returns whether it is settled */
  private async examine(suspect: Suspect, signal: AbortSignal): Promise<boolean> {
    const isWatched = suspect.wentUnanswered;
    if (isWatched && !(await this.isVorpalReliable(suspect, signal))) return this.pause(suspect);
    try {
      return (await this.settlesInRounds(suspect, signal)) || this.pause(suspect);
    } catch (error) {
      if (isWatched && isUnanswered(error) && !signal.aborted) return this.strike(suspect, error);
      throw error;
    }
  }

  /** @returns `true`: processed, or failed in every round and counted so; `false`: a control request failed */
  private async settlesInRounds({ delivered }: Suspect, signal: AbortSignal): Promise<boolean> {
    for (let round = 1; ; round++) {
      const [doubt] = (await this.processor.process([delivered], signal)).doubts;
      this.outages = 0;
      if (doubt === undefined) return true;
      if (round === ROUNDS) {
        await this.processor.recordFailure(delivered, doubt.failure, signal);
        return true;
      }
      // Behind a load balancer that takes turns, with one bad server, every second request fails: chance breaks the beat.
      if (Math.random() < 0.5 && !(await this.control.succeeds(signal))) return false;
    }
  }

  /**
   * Whether control requests succeed in a row. While the first one fails the server may be down because of the entry; a
   * later failure tells of a server that loses requests by chance, and takes back what it made look like the entry's fault.
   */
  private async isVorpalReliable(suspect: Suspect, signal: AbortSignal): Promise<boolean> {
    const { entry } = suspect.delivered;
    for (let asked = 0; asked < CONTROLS_BEFORE_STRIKE; asked++) {
      if (await this.control.succeedsFor(entry, signal)) continue;
      if (asked > 0) suspect.strikes = 0;
      return false;
    }
    return true;
  }

  private async strike(suspect: Suspect, error: unknown): Promise<boolean> {
    const { delivered } = suspect;
    const { claimIdleMs, maxAttempts } = this.settings.stream;
    const limit = Math.max(LEAST_STRIKES, maxAttempts);
    suspect.strikes += 1;
    suspect.dueAt = performance.now() + claimIdleMs * 2 ** (suspect.strikes - 1);
    this.status.recordFailure();
    this.logger.error(
      `Entry ${delivered.entry.id} is not answered (${suspect.strikes} of ${limit}), others are: ${describeError(error)}`,
    );
    if (suspect.strikes < limit) return false;
    await this.processor.giveUp(delivered, error);
    return true;
  }

  /** The others first, and after a while. */
  private pause(suspect: Suspect): false {
    const pauseMs = fullJitterBackoffMs(this.outages, {
      initialMs: BACKOFF_INITIAL_MS,
      maxMs: this.settings.worker.backoffMaxMs,
    });
    this.outages += 1;
    this.resumesAt = performance.now() + pauseMs;
    this.suspects = [...this.suspects.filter((other) => other !== suspect), suspect];
    return false;
  }
}
