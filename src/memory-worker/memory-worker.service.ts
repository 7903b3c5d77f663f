import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { ShutdownDeadline } from '../infra/lifecycle/index.js';
import { describeError, fullJitterBackoffMs, isAbortError, sleep } from '../shared/index.js';
import { type DeliveredEntry, InputStream } from '../stream/index.js';
import { EntryProcessor, isOutage } from './entry-processor.js';
import { WorkerStatus } from './worker-status.js';

const BACKOFF_INITIAL_MS = 250;

// The batch in flight may use this share of the grace period; the rest is for requests still being answered.
const BATCH_SHARE_OF_GRACE = 0.5;

/**
 * The background reader of the stream: read a batch, have it scored, acknowledge, again.
 *
 * Started by the application's bootstrap and cancelled by its destruction. Cancelling ends a blocking read at once; a
 * batch in flight finishes or, past its share of the grace period, is broken off and stays unacknowledged.
 */
@Injectable()
export class MemoryWorker implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly brainLogger = new Logger('Brain');
  private readonly logger = new Logger('MemoryWorker');
  private readonly reading = new AbortController();
  private readonly working = new AbortController();
  private loop: Promise<void> | undefined;

  constructor(
    private readonly stream: InputStream,
    private readonly processor: EntryProcessor,
    private readonly status: WorkerStatus,
    private readonly settings: Settings,
    private readonly deadline: ShutdownDeadline,
  ) {}

  onApplicationBootstrap(): void {
    if (!this.settings.worker.enabled) {
      this.brainLogger.log('Memory worker is off (ASYNC_MEMORY=false)');
      return;
    }
    this.status.state = 'running';
    this.loop = this.run();
    this.brainLogger.log('Memory worker started');
  }

  async onModuleDestroy(): Promise<void> {
    if (this.loop === undefined) return;
    this.reading.abort();
    const cut = setTimeout(() => {
      this.working.abort();
    }, this.deadline.remainingMs() * BATCH_SHARE_OF_GRACE);
    await this.loop;
    clearTimeout(cut);
    this.status.state = 'stopped';
    this.brainLogger.log('Memory worker stopped');
  }

  private async run(): Promise<void> {
    let failures = 0;
    let batch: readonly DeliveredEntry[] = [];
    while (!this.reading.signal.aborted) {
      try {
        if (batch.length === 0) batch = await this.read();
        if (batch.length > 0) await this.processor.process(batch, this.working.signal);
        batch = [];
        if (failures > 0) this.recover();
        failures = 0;
      } catch (error) {
        // A batch that met an outage is kept and tried again; after any other failure the stream gives it again.
        if (!isOutage(error)) batch = [];
        await this.pauseAfter(error, failures++);
      }
    }
  }

  private read(): Promise<DeliveredEntry[]> {
    const { batchSize, blockMs } = this.settings.worker;
    return this.stream.read({ count: batchSize, blockMs, signal: this.reading.signal });
  }

  private recover(): void {
    this.status.state = 'running';
    this.status.waitingFor = undefined;
    this.logger.log('Working again');
  }

  private async pauseAfter(error: unknown, failures: number): Promise<void> {
    if (this.working.signal.aborted && isAbortError(error)) return;
    const reason = describeError(error);
    if (failures === 0 || reason !== this.status.waitingFor) {
      const stack = isOutage(error) || !(error instanceof Error) ? undefined : error.stack;
      this.logger.warn(`Waiting, nothing is lost: ${reason}${stack === undefined ? '' : `\n${stack}`}`);
    }
    this.status.state = 'waiting';
    this.status.waitingFor = reason;
    const pauseMs = fullJitterBackoffMs(failures, {
      initialMs: BACKOFF_INITIAL_MS,
      maxMs: this.settings.worker.backoffMaxMs,
    });
    await sleep(pauseMs, this.reading.signal);
  }
}
