import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { ShutdownDeadline } from '../infra/lifecycle/index.js';
import { describeError, fullJitterBackoffMs, isAbortError, sleep } from '../shared/index.js';
import { type DeliveredEntry, InputStream } from '../stream/index.js';
import { BatchGate } from './batch-gate.js';
import { ControlRequest } from './control-request.js';
import { EntriesInHand } from './entries-in-hand.js';
import { EntryProcessor, type Processed } from './entry-processor.js';
import { isOutage, isOverload, isUnanswered } from './failure-kinds.js';
import { SuspectLane } from './suspect-lane.js';
import { WorkerStatus } from './worker-status.js';

const BACKOFF_INITIAL_MS = 250;

// The batches in flight may use this share of the grace period; the rest is for requests still being answered.
const BATCH_SHARE_OF_GRACE = 0.5;

// Two renewals may fail or come late before another consumer takes an entry for abandoned.
const RENEWALS_PER_CLAIM_IDLE = 3;

// An entry in doubt waits this long at most before it is tried by itself.
const SUSPECTS_LOOK_MS = 250;

// The embedded stream takes entries on the event loop, where chats wait meanwhile.
const MAX_ENTRIES_PER_READ = 256;

type Batch = readonly DeliveredEntry[];

/**
 * The background reader of the stream: reads batches, one read at a time, and has as many of them processed at once as the
 * {@link BatchGate} lets in.
 *
 * A batch that meets an outage is kept and tried again. From the first such failure until something succeeds, one batch
 * at a time is tried, with growing pauses. What Vorpal fails on while it works for others goes to the
 * {@link SuspectLane}, so that nothing else waits for it. Started by the application's bootstrap and cancelled by its destruction:
 * cancelling ends a blocking read at once; batches in flight finish or, past their share of the grace period, are broken
 * off and stay unacknowledged.
 */
@Injectable()
export class MemoryWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly brainLogger = new Logger('Brain');
  private readonly logger = new Logger('MemoryWorker');
  private readonly stopping = new AbortController();
  private readonly working = new AbortController();
  /** In hand and not in flight: just read, or met by an outage. Before they are begun nothing is read. */
  private readonly ready: Batch[] = [];
  private readonly inFlight = new Set<Promise<void>>();
  private currentRead = new AbortController();
  private changed = Promise.withResolvers<undefined>();
  /** Failures in a row since the worker has been waiting; 0 while it runs. */
  private failures = 0;
  /** Outages so far: what was begun before the last one tells nothing new when it fails. */
  private outages = 0;
  /** Batches that were processed so far. */
  private successes = 0;
  /** The order in which batches were read. */
  private readonly positions = new WeakMap<Batch, number>();
  private batchesRead = 0;
  /** Batches that went unanswered before. */
  private readonly unanswered = new WeakSet<Batch>();
  private running: Promise<unknown> | undefined;

  constructor(
    private readonly stream: InputStream,
    private readonly processor: EntryProcessor,
    private readonly inHand: EntriesInHand,
    private readonly gate: BatchGate,
    private readonly control: ControlRequest,
    private readonly suspects: SuspectLane,
    private readonly status: WorkerStatus,
    private readonly settings: Settings,
    private readonly deadline: ShutdownDeadline,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.settings.worker.enabled) {
      const why = this.settings.server.role === 'api' ? 'BRAIN_ROLE=api' : 'ASYNC_MEMORY=false';
      this.brainLogger.log(`Memory worker is off (${why})`);
      return;
    }
    this.status.state = 'running';
    this.running = Promise.all([
      this.run(),
      this.every(this.settings.stream.claimIdleMs / RENEWALS_PER_CLAIM_IDLE, () => this.renew()),
      this.every(SUSPECTS_LOOK_MS, () => this.trySuspects()),
    ]);
    this.brainLogger.log('Memory worker started');
  }

  async onModuleDestroy(): Promise<void> {
    if (this.running === undefined) return;
    this.stopping.abort();
    this.currentRead.abort();
    this.wake();
    const cut = setTimeout(() => {
      this.working.abort();
    }, this.deadline.remainingMs() * BATCH_SHARE_OF_GRACE);
    await this.running;
    clearTimeout(cut);
    this.status.state = 'stopped';
    this.brainLogger.log('Memory worker stopped');
  }

  private async run(): Promise<void> {
    const { signal } = this.stopping;
    for (;;) {
      if (this.failures > 0) await this.pause();
      else await this.untilRoom();
      if (signal.aborted) break;
      try {
        await this.next();
      } catch (error) {
        this.wait(error);
      }
    }
    await Promise.all(this.inFlight);
  }

  private async next(): Promise<void> {
    if (this.ready.length === 0) await this.read();
    const batch = this.ready.shift();
    if (batch) {
      const work = this.begin(batch);
      // One that finds out whether the outage is over; more would only fail with it.
      if (this.failures > 0) await work;
    } else if (this.failures > 0) this.recover();
  }

  /** One read for all batches there is room for: a round trip each would bound them to some hundred a second. */
  private async read(): Promise<void> {
    const { batchSize, blockMs } = this.settings.worker;
    const room = this.failures > 0 ? 1 : this.gate.room;
    const count = Math.max(batchSize, Math.min(room * batchSize, MAX_ENTRIES_PER_READ));
    this.currentRead = new AbortController();
    const { signal } = this.currentRead;
    const entries = this.inHand.take(await this.stream.read({ count, blockMs, signal }));
    for (let start = 0; start < entries.length; start += batchSize) {
      const batch = entries.slice(start, start + batchSize);
      this.batchesRead += 1;
      this.positions.set(batch, this.batchesRead);
      this.ready.push(batch);
    }
  }

  /** @returns once the batch has ended, or has nothing to do but to wait for others */
  private begin(batch: Batch): Promise<void> {
    const waiting = Promise.withResolvers<undefined>();
    const work = this.attempt(batch, () => {
      waiting.resolve(undefined);
    }).finally(() => this.inFlight.delete(work));
    this.inFlight.add(work);
    return Promise.race([work, waiting.promise]);
  }

  private async attempt(batch: Batch, onWait: () => void): Promise<void> {
    const { outages, successes } = this;
    const isProbe = this.failures > 0;
    const pass = this.gate.begin(() => {
      this.wake();
    });
    try {
      const processed = await this.processor.process(batch, this.working.signal, {
        onLastSent: () => {
          pass.sent();
        },
        onWait: () => {
          pass.waits();
          onWait();
        },
      });
      this.successes += 1;
      if (isProbe) this.recover();
      this.settle(batch, processed);
    } catch (error) {
      if (await this.isAnsweredToOthers(batch, error, isProbe)) {
        if (isProbe) this.recover();
        this.settle(batch, { doubts: batch.map((delivered) => ({ delivered, failure: error })) });
        return;
      }
      this.putBack(batch, error);
      // Others are served meanwhile: with fewer at once, which scoring sees to, this one will be as well.
      const mayDoWithLess = isOverload(error) && this.successes > successes && !isProbe;
      if (outages === this.outages && !mayDoWithLess) this.wait(error);
    } finally {
      pass.ended();
    }
  }

  /** Lets go of a batch, except for what is in doubt. */
  private settle(batch: Batch, { doubts }: Processed): void {
    const doubted = new Set(doubts.map(({ delivered }) => delivered));
    this.inHand.release(batch.filter((delivered) => !doubted.has(delivered)));
    if (this.suspects.hasRoomFor(doubts.length)) {
      this.suspects.add(doubts);
      return;
    }
    this.ready.push([...doubted]);
    this.wait(doubts[0]?.failure);
  }

  /**
   * Whether Vorpal answers a control request at the moment at which it did not answer this batch: by itself, or not for
   * the first time.
   */
  private async isAnsweredToOthers(batch: Batch, error: unknown, isProbe: boolean): Promise<boolean> {
    const { signal } = this.working;
    if (!isUnanswered(error) || signal.aborted) return false;
    const isFirst = !isProbe && !this.unanswered.has(batch);
    this.unanswered.add(batch);
    if (isFirst || !this.suspects.hasRoomFor(batch.length)) return false;
    try {
      return await this.control.succeeds(signal);
    } catch (failure) {
      if (!isAbortError(failure)) this.logger.error(`The control request failed: ${describeError(failure)}`);
      return false;
    }
  }

  /** Keeps a batch that met an outage; after any other failure the stream gives it again. */
  private putBack(batch: Batch, error: unknown): void {
    if (!isOutage(error)) {
      this.inHand.release(batch);
      return;
    }
    // Others may wait for what its users said.
    const position = this.positionOf(batch);
    const next = this.ready.findIndex((other) => this.positionOf(other) > position);
    this.ready.splice(next === -1 ? this.ready.length : next, 0, batch);
    this.currentRead.abort();
  }

  private positionOf(batch: Batch): number {
    return this.positions.get(batch) ?? Infinity;
  }

  private recover(): void {
    this.failures = 0;
    this.status.state = 'running';
    this.status.waitingFor = undefined;
    this.logger.log('Working again');
  }

  /** Goes over to waiting, or goes on with it. */
  private wait(error: unknown): void {
    if (this.working.signal.aborted && isAbortError(error)) return;
    const reason = describeError(error);
    if (this.failures === 0 || reason !== this.status.waitingFor) {
      const stack = isOutage(error) || !(error instanceof Error) ? undefined : error.stack;
      this.logger.warn(`Waiting, nothing is lost: ${reason}${stack === undefined ? '' : `\n${stack}`}`);
    }
    if (this.failures === 0) this.outages += 1;
    this.failures += 1;
    this.status.state = 'waiting';
    this.status.waitingFor = reason;
  }

  private async pause(): Promise<void> {
    const pauseMs = fullJitterBackoffMs(this.failures - 1, {
      initialMs: BACKOFF_INITIAL_MS,
      maxMs: this.settings.worker.backoffMaxMs,
    });
    await sleep(pauseMs, this.stopping.signal);
  }

  private async untilRoom(): Promise<void> {
    while (!this.hasRoom() && this.failures === 0 && !this.stopping.signal.aborted) await this.changed.promise;
  }

  /** What is in hand already is begun however many wait: they may wait for it. */
  private hasRoom(): boolean {
    return this.gate.room > 0 && (this.ready.length > 0 || !this.gate.isLineFull);
  }

  private wake(): void {
    this.changed.resolve(undefined);
    this.changed = Promise.withResolvers();
  }

  private async every(ms: number, work: () => Promise<void>): Promise<void> {
    while (await sleep(ms, this.stopping.signal)) await work();
  }

  private async renew(): Promise<void> {
    try {
      await this.stream.renew(this.inHand.all());
    } catch (error) {
      // An outage of the stream is reported by the read, which meets it as well.
      if (!isOutage(error)) this.logger.error(`Entries in hand were not renewed: ${describeError(error)}`);
    }
  }

  private async trySuspects(): Promise<void> {
    const settled = (delivered: DeliveredEntry): void => {
      this.inHand.release([delivered]);
    };
    let wasDue = true;
    while (wasDue && !this.stopping.signal.aborted) {
      wasDue = await this.suspects.tryNext(this.working.signal, settled);
    }
  }
}
