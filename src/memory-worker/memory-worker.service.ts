import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { memoryWorkerSettings, type MemoryWorkerSettings } from './memory-worker.settings.js';
import { ShutdownDeadline } from '../infra/lifecycle/index.js';
import { Condition, describeError, isAbortError, sleep } from '../shared/index.js';
import { type DeliveredEntry, InputStream } from '../stream/index.js';
import { BatchAdmission } from './scheduling/batch-admission.js';
import { type Batch, BatchQueue } from './scheduling/batch-queue.js';
import { CanaryProbe } from './failures/canary-probe.js';
import { EntryProcessor, type FailedEntry } from './entry-processor.js';
import { isOutage, isOverload, isUnanswered } from './failures/failure-classification.js';
import { InFlightEntries } from './scheduling/in-flight-entries.js';
import { OutageBackoff } from './failures/outage-backoff.js';
import { Quarantine } from './failures/quarantine.js';
import { WorkerStatus } from './worker-status.js';

// Running batches may use this share of the grace period; the rest is for requests that are still being answered.
const BATCH_SHARE_OF_GRACE = 0.5;

// Two renewals may fail or come late before another consumer takes an entry for abandoned.
const RENEWALS_PER_CLAIM_IDLE = 3;

// A quarantined entry waits this long at most before it is tried.
const QUARANTINE_CHECK_MS = 250;

// The SQLite stream reads on the event loop, where chats wait meanwhile.
const MAX_ENTRIES_PER_READ = 256;

/**
 * The background reader of the stream: one read at a time, and as many batches at once as {@link BatchAdmission}
 * admits.
 *
 * A batch that meets an outage is kept and tried again. From then until something succeeds, one batch at a time is
 * tried, with growing pauses. Entries that Vorpal fails on while it works for others go to the {@link Quarantine}, so
 * that nothing waits for them. The application's bootstrap starts the worker and its destruction stops it: a blocking
 * read ends at once; running batches finish or, past their share of the grace period, are aborted and stay pending.
 */
@Injectable()
export class MemoryWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly brainLogger = new Logger('Brain');
  private readonly logger = new Logger('MemoryWorker');
  /** Aborted first: nothing new begins. */
  private readonly stopping = new AbortController();
  /** Aborted when the running batches have had their time. */
  private readonly working = new AbortController();
  private currentRead = new AbortController();
  /** While it holds batches nothing is read. */
  private readonly queue = new BatchQueue();
  private readonly runningBatches = new Set<Promise<void>>();
  private readonly outage: OutageBackoff;
  /** Notified when there may be capacity for another batch. */
  private readonly capacityChange = new Condition();
  /** Batches processed so far. */
  private successes = 0;
  private running: Promise<unknown> | undefined;

  constructor(
    private readonly stream: InputStream,
    private readonly processor: EntryProcessor,
    private readonly inFlight: InFlightEntries,
    private readonly admission: BatchAdmission,
    private readonly canary: CanaryProbe,
    private readonly quarantine: Quarantine,
    private readonly status: WorkerStatus,
    @Inject(memoryWorkerSettings.KEY) private readonly settings: MemoryWorkerSettings,
    private readonly deadline: ShutdownDeadline,
  ) {
    this.outage = new OutageBackoff(status, settings.backoffMaxMs);
  }

  onApplicationBootstrap(): void {
    if (!this.settings.enabled) {
      const why = this.settings.role === 'api' ? 'BRAIN_ROLE=api' : 'ASYNC_MEMORY=false';
      this.brainLogger.log(`Memory worker is off (${why})`);
      return;
    }
    this.status.state = 'running';
    this.running = Promise.all([
      this.run(),
      this.every(this.settings.claimIdleMs / RENEWALS_PER_CLAIM_IDLE, () => this.renew()),
      this.every(QUARANTINE_CHECK_MS, () => this.tryQuarantined()),
    ]);
    this.brainLogger.log('Memory worker started');
  }

  async onModuleDestroy(): Promise<void> {
    if (this.running === undefined) return;
    this.stopping.abort();
    this.currentRead.abort();
    this.capacityChange.notify();
    const cut = setTimeout(() => {
      this.working.abort();
    }, this.deadline.remainingMs() * BATCH_SHARE_OF_GRACE);
    await this.running;
    clearTimeout(cut);
    this.status.state = 'stopped';
    this.brainLogger.log('Memory worker stopped');
  }

  // The loop

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    for (;;) {
      if (this.outage.isActive) await this.outage.pause(signal);
      else await this.untilCapacity();
      if (signal.aborted) break;
      try {
        await this.next();
      } catch (error) {
        this.wait(error);
      }
    }
    await Promise.all(this.runningBatches);
  }

  private async next(): Promise<void> {
    if (this.queue.length === 0) await this.read();
    const batch = this.queue.takeOldest();
    if (batch === undefined) {
      this.outage.recover();
      return;
    }
    const running = this.start(batch);
    // One batch finds out whether the outage is over; more would only fail with it.
    if (this.outage.isActive) await running;
  }

  /** One read for all batches there is capacity for: with a round trip each there would be some hundred a second. */
  private async read(): Promise<void> {
    const { batchSize, blockMs } = this.settings;
    const capacity = this.outage.isActive ? 1 : this.admission.capacity;
    const count = Math.max(batchSize, Math.min(capacity * batchSize, MAX_ENTRIES_PER_READ));
    this.currentRead = new AbortController();
    const { signal } = this.currentRead;
    const entries = this.withoutQuarantined(this.inFlight.add(await this.stream.read({ count, blockMs, signal })));
    for (let start = 0; start < entries.length; start += batchSize) {
      this.queue.add(entries.slice(start, start + batchSize));
    }
  }

  /** Moves what failed before straight to the quarantine, where there is room. */
  private withoutQuarantined(entries: readonly DeliveredEntry[]): readonly DeliveredEntry[] {
    const failedBefore = entries.filter((delivered) => this.quarantine.knows(delivered));
    if (failedBefore.length === 0 || !this.quarantine.hasRoomFor(failedBefore.length)) return entries;
    this.quarantine.add(failedBefore);
    return entries.filter((delivered) => !failedBefore.includes(delivered));
  }

  /** @returns once the batch has ended, or only waits for other batches */
  private start(batch: Batch): Promise<void> {
    const blocked = Promise.withResolvers<undefined>();
    const running = this.attempt(batch, () => {
      blocked.resolve(undefined);
    }).finally(() => this.runningBatches.delete(running));
    this.runningBatches.add(running);
    return Promise.race([running, blocked.promise]);
  }

  private async untilCapacity(): Promise<void> {
    await this.capacityChange.wait(() => this.hasCapacity() || this.outage.isActive || this.stopping.signal.aborted);
  }

  /** What was read already may start however many batches are blocked: they may wait for it. */
  private hasCapacity(): boolean {
    return this.admission.capacity > 0 && (this.queue.length > 0 || !this.admission.isBlockedFull);
  }

  // What becomes of a batch

  private async attempt(batch: Batch, onBlocked: () => void): Promise<void> {
    const { successes } = this;
    const outages = this.outage.count;
    const isProbe = this.outage.isActive;
    const admitted = this.admission.admit(() => {
      this.capacityChange.notify();
    });
    try {
      const failed = await this.processor.process(batch.entries, this.working.signal, {
        onLastSent: () => {
          admitted.requestsSent();
        },
        onBlocked: () => {
          admitted.blocked();
          onBlocked();
        },
      });
      this.successes += 1;
      if (isProbe) this.outage.recover();
      this.settle(batch, failed);
    } catch (error) {
      if (await this.isAnsweredToOthers(batch, error, isProbe)) {
        if (isProbe) this.outage.recover();
        this.settle(
          batch,
          batch.entries.map((delivered) => ({ delivered, failure: error })),
        );
        return;
      }
      this.putBack(batch, error);
      // While others succeed it is only too much at once: the scoring budget shrinks, and the next attempt has room.
      const isTooMuchAtOnce = isOverload(error) && this.successes > successes && !isProbe;
      if (outages === this.outage.count && !isTooMuchAtOnce) this.wait(error);
    } finally {
      admitted.finished();
    }
  }

  /** Releases a batch, except for the entries that go to the quarantine. */
  private settle({ entries }: Batch, failed: readonly FailedEntry[]): void {
    const kept = new Set(failed.map(({ delivered }) => delivered));
    this.inFlight.release(entries.filter((delivered) => !kept.has(delivered)));
    if (this.quarantine.hasRoomFor(failed.length)) {
      this.quarantine.addFailed(failed);
      return;
    }
    this.queue.add([...kept]);
    this.wait(failed[0]?.failure);
  }

  /**
   * Whether Vorpal answers a canary at the moment at which it did not answer this batch, which ran alone or went
   * unanswered before.
   */
  private async isAnsweredToOthers(batch: Batch, error: unknown, isProbe: boolean): Promise<boolean> {
    const { signal } = this.working;
    if (!isUnanswered(error) || signal.aborted) return false;
    const isFirst = !isProbe && !batch.wentUnanswered;
    batch.wentUnanswered = true;
    if (isFirst || !this.quarantine.hasRoomFor(batch.entries.length)) return false;
    try {
      return await this.canary.succeeds(signal);
    } catch (failure) {
      if (!isAbortError(failure)) this.logger.error(`The canary could not be sent: ${describeError(failure)}`);
      return false;
    }
  }

  /** Keeps a batch that met an outage; after any other failure the stream delivers it again. */
  private putBack(batch: Batch, error: unknown): void {
    if (!isOutage(error)) {
      this.inFlight.release(batch.entries);
      return;
    }
    this.queue.putBack(batch);
    this.currentRead.abort();
  }

  private wait(error: unknown): void {
    if (this.working.signal.aborted && isAbortError(error)) return;
    this.outage.fail(error);
  }

  // Beside the loop

  private async every(ms: number, work: () => Promise<void>): Promise<void> {
    while (await sleep(ms, this.stopping.signal)) await work();
  }

  private async renew(): Promise<void> {
    try {
      await this.stream.renew(this.inFlight.all());
    } catch (error) {
      // An outage of the stream is reported by the read, which meets it as well.
      if (!isOutage(error)) this.logger.error(`Entries in flight were not renewed: ${describeError(error)}`);
    }
  }

  private async tryQuarantined(): Promise<void> {
    let wasTried = true;
    while (wasTried && !this.stopping.signal.aborted) {
      wasTried = await this.quarantine.tryNext(this.working.signal, (delivered) => {
        this.inFlight.release([delivered]);
      });
    }
  }
}
