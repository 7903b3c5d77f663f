import { Injectable } from '@nestjs/common';
import { MemoryStore } from '../memory/index.js';
import { WorkerStatus } from '../memory-worker/index.js';
import { Counter, Gauge, Registry } from '../observability/index.js';
import { SessionStore } from '../sessions/index.js';
import { CaptureService, InputStream, type StreamStatistics, StreamUnavailableError } from '../stream/index.js';

/** What the parts of the brain count, read when somebody asks. */
@Injectable()
export class BrainMetrics {
  private asking: Promise<StreamStatistics | undefined> | undefined;

  constructor(
    private readonly registry: Registry,
    private readonly stream: InputStream,
    capture: CaptureService,
    worker: WorkerStatus,
    memories: MemoryStore,
    sessions: SessionStore,
  ) {
    this.counter('captured_messages_total', 'Messages that the stream has.', () => capture.captured);
    this.counter('capture_failures_total', 'Messages that were lost on the way to the stream.', () => capture.failed);
    this.counter('processed_entries_total', 'Entries that the worker has decided about.', () => worker.processed);
    this.counter('failed_attempts_total', 'Attempts that failed because of the entry.', () => worker.failed);
    this.gauge(
      'undecodable_records',
      'Memories, decisions and turns met since the start that cannot be read.',
      async () => memories.undecodable.count + sessions.undecodable.count,
    );
    this.gauge('spooled_messages', 'Messages that wait on the disk for the stream.', async () => capture.spooled);
    this.gauge('captures_in_flight', 'Appends under way.', async () => capture.inFlight);
    this.gauge('stream_lag', 'Entries that nobody has read.', async () => (await this.statistics())?.lag);
    this.gauge('stream_pending', 'Entries read and not acknowledged.', async () => (await this.statistics())?.pending);
    this.gauge(
      'dead_letters',
      'Entries that failed too often and wait among the dead letters.',
      async () => (await this.statistics())?.deadLetters,
    );
  }

  /** Prometheus' text format. */
  render(): Promise<string> {
    return this.registry.metrics();
  }

  private counter(name: string, help: string, read: () => number): void {
    const counter: Counter = new Counter({
      name: `archive_brain_${name}`,
      help,
      registers: [this.registry],
      collect: () => {
        counter.reset();
        counter.inc(read());
      },
    });
  }

  /** A gauge that has no value at the moment shows none. */
  private gauge(name: string, help: string, read: () => Promise<number | undefined>): void {
    const gauge: Gauge = new Gauge({
      name: `archive_brain_${name}`,
      help,
      registers: [this.registry],
      collect: async () => {
        const value = await read();
        gauge.set(value ?? Number.NaN);
      },
    });
  }

  /** The gauges of one scrape share one question to the store. */
  private statistics(): Promise<StreamStatistics | undefined> {
    this.asking ??= this.ask().finally(() => (this.asking = undefined));
    return this.asking;
  }

  private async ask(): Promise<StreamStatistics | undefined> {
    try {
      return await this.stream.statistics();
    } catch (error) {
      if (error instanceof StreamUnavailableError) return undefined;
      throw error;
    }
  }
}
