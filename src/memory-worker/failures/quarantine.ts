import { Inject, Injectable, Logger } from '@nestjs/common';
import { memoryWorkerSettings, type MemoryWorkerSettings } from '../memory-worker.settings.js';
import { describeError, fullJitterBackoffMs } from '../../shared/index.js';
import type { DeliveredEntry } from '../../stream/index.js';
import { CanaryProbe } from './canary-probe.js';
import { EntryProcessor, type FailedEntry } from '../entry-processor.js';
import { isOutage, isUnanswered } from './failure-classification.js';
import { UserSequencer } from '../scheduling/user-sequencer.js';
import { WorkerStatus } from '../worker-status.js';

// With fewer, a Vorpal that fails now and then sends harmless entries to the dead letters: see decision 9.
const CANARIES_PER_ATTEMPT = 10;

// Each is held in memory and in the stream's list of pending entries.
const MAX_QUARANTINED = 256;

// Ids of entries with a counted failure, which skip the batches when they are delivered again.
const MAX_REMEMBERED_IDS = 1_024;

const BACKOFF_INITIAL_MS = 250;

interface Quarantined {
  readonly delivered: DeliveredEntry;
  /** What Vorpal failed on when the entry was tried alone, until it is known whether that counts. */
  failure?: unknown;
}

/**
 * Entries that Vorpal fails on while it works for others: tried one at a time, beside the batches.
 *
 * A failure counts as one of `STREAM_MAX_ATTEMPTS` only if Vorpal answers a canary just before it and
 * {@link CANARIES_PER_ATTEMPT} canaries of the entry's length in a row after it. The stream then delivers the entry
 * again after its claim idle time. Any other failure is an outage: it costs the entry nothing, and everything here
 * pauses with backoff.
 */
@Injectable()
export class Quarantine {
  private readonly logger = new Logger('MemoryWorker');
  private entries: Quarantined[] = [];
  private readonly failedIds = new Set<string>();
  private pauses = 0;
  private resumesAt = 0;

  constructor(
    private readonly processor: EntryProcessor,
    private readonly sequencer: UserSequencer,
    private readonly canary: CanaryProbe,
    private readonly status: WorkerStatus,
    @Inject(memoryWorkerSettings.KEY) private readonly settings: MemoryWorkerSettings,
  ) {}

  get size(): number {
    return this.entries.length;
  }

  hasRoomFor(count: number): boolean {
    return this.entries.length + count <= MAX_QUARANTINED;
  }

  /** Whether the entry failed here before, so that a batch it is in would only fail again. */
  knows({ entry }: DeliveredEntry): boolean {
    return this.failedIds.has(entry.id);
  }

  /** Takes over entries that failed, or that {@link knows} recognises. */
  add(delivered: readonly DeliveredEntry[]): void {
    this.sequencer.unblock(delivered);
    this.entries.push(...delivered.map((one) => ({ delivered: one })));
  }

  /** Like {@link add}, with a line in the log. */
  addFailed(failed: readonly FailedEntry[]): void {
    const [first] = failed;
    if (first === undefined) return;
    this.logger.warn(
      `Quarantined ${failed.length} entries, which are now tried alone: ${describeError(first.failure)}`,
    );
    this.add(failed.map(({ delivered }) => delivered));
  }

  /**
   * Tries the next entry, and calls `onSettled` once it is processed or its failure is counted. Never throws.
   * @returns whether there was something to try
   */
  async tryNext(signal: AbortSignal, onSettled: (delivered: DeliveredEntry) => void): Promise<boolean> {
    const [next] = this.entries;
    if (next === undefined || performance.now() < this.resumesAt) return false;
    try {
      if (await this.settles(next, signal)) {
        this.pauses = 0;
        this.entries = this.entries.filter((other) => other !== next);
        onSettled(next.delivered);
        return true;
      }
    } catch (error) {
      if (signal.aborted) return false;
      if (!isOutage(error)) {
        this.logger.error(`Entry ${next.delivered.entry.id} stays in quarantine: ${describeError(error)}`);
      }
    }
    this.pauseBehind(next);
    return true;
  }

  /** @returns `false` if Vorpal does not work well enough to judge the entry */
  private async settles(quarantined: Quarantined, signal: AbortSignal): Promise<boolean> {
    const { delivered } = quarantined;
    if (quarantined.failure === undefined) {
      if (!(await this.canary.succeeds(signal))) return false;
      quarantined.failure = await this.processor.processAlone(delivered, signal);
      if (quarantined.failure === undefined) {
        this.failedIds.delete(delivered.entry.id);
        return true;
      }
    }
    if (!(await this.isEntryToBlame(quarantined, signal))) return false;
    await this.countFailure(delivered, quarantined.failure, signal);
    return true;
  }

  /**
   * Whether canaries succeed in a row after the entry failed. Vorpal may be down because of an unanswered entry: its
   * failure is kept until Vorpal answers again. Any other canary that fails means that the entry's failure tells
   * nothing.
   */
  private async isEntryToBlame(quarantined: Quarantined, signal: AbortSignal): Promise<boolean> {
    const { delivered, failure } = quarantined;
    for (let answered = 0; answered < CANARIES_PER_ATTEMPT; answered++) {
      if (await this.canary.succeedsFor(delivered.entry, signal)) continue;
      if (answered > 0 || !isUnanswered(failure)) quarantined.failure = undefined;
      return false;
    }
    return true;
  }

  private async countFailure(delivered: DeliveredEntry, failure: unknown, signal: AbortSignal): Promise<void> {
    const { id } = delivered.entry;
    const isFinal = await this.processor.recordFailure(delivered, failure, signal);
    this.failedIds.delete(id);
    if (isFinal) return;
    this.failedIds.add(id);
    const [oldest] = this.failedIds;
    if (this.failedIds.size > MAX_REMEMBERED_IDS && oldest !== undefined) this.failedIds.delete(oldest);
  }

  /** The other entries come first, after a pause. */
  private pauseBehind(quarantined: Quarantined): void {
    const pauseMs = fullJitterBackoffMs(this.pauses, {
      initialMs: BACKOFF_INITIAL_MS,
      maxMs: this.settings.backoffMaxMs,
    });
    this.pauses += 1;
    this.resumesAt = performance.now() + pauseMs;
    this.entries = [...this.entries.filter((other) => other !== quarantined), quarantined];
  }
}
