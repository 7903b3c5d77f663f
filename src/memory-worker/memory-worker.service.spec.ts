import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../test/support/until.js';
import { lifecycleSettings } from '../infra/lifecycle/lifecycle.settings.js';
import { streamSettings } from '../stream/stream.settings.js';
import { memoryWorkerSettings, type MemoryWorkerSettings } from './memory-worker.settings.js';
import { ShutdownDeadline } from '../infra/lifecycle/index.js';
import { SqliteDatabase } from '../infra/sqlite/index.js';
import { newId, sleep } from '../shared/index.js';
import { SqliteInputStream } from '../stream/adapters/sqlite/sqlite-input-stream.js';
import type { DeliveredEntry, StreamEntry } from '../stream/index.js';
import {
  VorpalFailedError,
  VorpalOverloadedError,
  VorpalTimeoutError,
  VorpalUnavailableError,
} from '../vorpal/index.js';
import { BatchAdmission } from './scheduling/batch-admission.js';
import type { CanaryProbe } from './failures/canary-probe.js';
import type { EntryProcessor, FailedEntry, ProcessingHooks } from './entry-processor.js';
import { InFlightEntries } from './scheduling/in-flight-entries.js';
import { MemoryWorker } from './memory-worker.service.js';
import { Quarantine } from './failures/quarantine.js';
import { UserSequencer } from './scheduling/user-sequencer.js';
import { WorkerStatus } from './worker-status.js';

const never = new AbortController().signal;
const ATTEMPTS = 3;

/** Takes a fixed time for a batch and acknowledges it; fails where it is told to. */
class SlowProcessor {
  latencyMs = 20;
  /** Whether a batch has its turn at Vorpal at once, or never. */
  givesTurns = true;
  inFlight = 0;
  mostInFlight = 0;
  /** The most entries that were read and not acknowledged when a batch began. */
  mostPending = 0;
  readonly attempts: string[] = [];
  readonly done: string[] = [];
  failure: (messages: readonly string[]) => Error | undefined = () => undefined;
  /** Whether what holds it is the order of a user's entries. */
  waitsInOrder: (messages: readonly string[]) => boolean = () => false;
  /** What a batch waits for besides. */
  hold: (messages: readonly string[]) => Promise<void> | undefined = () => undefined;
  failsOn: (message: string) => boolean = () => false;
  readonly givenUp: string[] = [];
  readonly failedAttempts: string[] = [];

  constructor(private readonly stream: SqliteInputStream) {}

  async process(
    batch: readonly DeliveredEntry[],
    signal: AbortSignal,
    { onLastSent, onBlocked }: ProcessingHooks = {},
  ): Promise<readonly FailedEntry[]> {
    const messages = batch.map(({ entry }) => entry.message);
    this.attempts.push(...messages);
    this.inFlight += 1;
    this.mostInFlight = Math.max(this.mostInFlight, this.inFlight);
    const failure = this.failure(messages);
    this.mostPending = Math.max(this.mostPending, (await this.stream.statistics()).pending);
    try {
      if (this.givesTurns) onLastSent?.();
      if (!(await sleep(this.latencyMs, signal))) throw Object.assign(new Error('stopped'), { name: 'AbortError' });
      const held = this.hold(messages);
      if (held && this.waitsInOrder(messages)) onBlocked?.();
      await held;
      if (failure) throw failure;
      const good = batch.filter(({ entry }) => !this.failsOn(entry.message));
      await this.stream.acknowledge(good);
      this.done.push(...good.map(({ entry }) => entry.message));
      return batch
        .filter((delivered) => !good.includes(delivered))
        .map((delivered) => ({ delivered, failure: new VorpalFailedError('HTTP 500') }));
    } finally {
      this.inFlight -= 1;
    }
  }

  async processAlone(delivered: DeliveredEntry, signal: AbortSignal): Promise<unknown> {
    try {
      const [failed] = await this.process([delivered], signal);
      return failed?.failure;
    } catch (error) {
      return error;
    }
  }

  async recordFailure(delivered: DeliveredEntry): Promise<boolean> {
    this.failedAttempts.push(delivered.entry.message);
    if (delivered.deliveries < ATTEMPTS) return false;
    await this.stream.acknowledge([delivered]);
    this.givenUp.push(delivered.entry.message);
    return true;
  }
}

describe(MemoryWorker.name, () => {
  const warnings = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  const logs = jest.spyOn(Logger.prototype, 'log').mockImplementation(() => undefined);
  let folder: string;
  let database: SqliteDatabase;
  let settings: MemoryWorkerSettings;
  let stream: SqliteInputStream;
  let processor: SlowProcessor;
  let status: WorkerStatus;
  let isCanaryAnswered: boolean;
  let sut: MemoryWorker;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'memory-worker-'));
    database = await SqliteDatabase.open(join(folder, 'stream.sqlite'));
    isCanaryAnswered = false;
    make();
    warnings.mockClear();
    logs.mockClear();
  });

  afterEach(async () => {
    await sut.onModuleDestroy();
    await database.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function make(environment: NodeJS.ProcessEnv = {}): void {
    const variables = {
      VORPAL_URL: 'http://127.0.0.1:9',
      WORKER_BATCH_SIZE: '1',
      WORKER_BACKOFF_MAX_MS: '100',
      ...environment,
    };
    settings = memoryWorkerSettings(variables);
    stream = new SqliteInputStream(database, streamSettings(variables));
    processor = new SlowProcessor(stream);
    const admission = new BatchAdmission(settings.maxBatches);
    status = new WorkerStatus(settings);
    const entries = processor as unknown as EntryProcessor;
    const answers = async (): Promise<boolean> => isCanaryAnswered;
    const canary = { succeeds: answers, succeedsFor: answers } as unknown as CanaryProbe;
    const inFlight = new InFlightEntries();
    const sequencer = new UserSequencer(stream, inFlight, 60_000);
    const quarantine = new Quarantine(entries, sequencer, canary, status, settings);
    const deadline = new ShutdownDeadline(lifecycleSettings(variables));
    sut = new MemoryWorker(stream, entries, inFlight, admission, canary, quarantine, status, settings, deadline);
  }

  async function append(...messages: string[]): Promise<void> {
    const entries = messages.map((message): StreamEntry => ({
      id: newId(),
      message,
      timestampMs: Date.now(),
      userId: 'ada',
      sessionId: 's',
      role: 'user',
      context: '',
    }));
    await Promise.all(entries.map((entry) => stream.append(entry)));
  }
  const numbered = (count: number): string[] => Array.from({ length: count }, (_, index) => `message ${index}`);

  it('has several batches processed at once and every entry once', async () => {
    await append(...numbered(200));
    sut.onApplicationBootstrap();
    await until(() => processor.done.length >= 200);

    expect(processor.mostInFlight).toBeGreaterThan(8);
    expect(processor.mostInFlight).toBeLessThanOrEqual(settings.maxBatches);
    expect(processor.done.toSorted()).toEqual(numbered(200).toSorted());
    expect(processor.attempts).toHaveLength(200);
    await until(async () => (await stream.statistics()).pending === 0);
  });

  it('reads no more than finds its turn at Vorpal: what waits stays in the stream', async () => {
    processor.givesTurns = false;
    await append(...numbered(50));
    sut.onApplicationBootstrap();
    await until(() => processor.done.length >= 50);

    expect(processor.mostInFlight).toBeLessThanOrEqual(4);
    expect(processor.mostPending).toBeLessThanOrEqual(4);
  });

  it('reads no more than it may have processed', async () => {
    make({ WORKER_MAX_BATCHES: '3' });
    await append(...numbered(50));
    sut.onApplicationBootstrap();
    await until(() => processor.done.length >= 50);

    expect(processor.mostInFlight).toBeLessThanOrEqual(3);
    expect(processor.mostPending).toBeLessThanOrEqual(3);
  });

  it('does one batch after another where the settings say so', async () => {
    make({ WORKER_MAX_BATCHES: '1' });
    processor.latencyMs = 1;
    await append(...numbered(30));
    sut.onApplicationBootstrap();
    await until(() => processor.done.length >= 30);

    expect(processor.mostInFlight).toBe(1);
    expect(processor.done).toEqual(numbered(30));
  });

  it('says once that there is an outage and once that it is over, and tries every batch again', async () => {
    await append(...numbered(300));
    sut.onApplicationBootstrap();
    await until(() => processor.done.length > 100);
    processor.failure = () => new VorpalUnavailableError('gone');
    await until(() => status.state === 'waiting' && processor.inFlight <= 1);
    const held = (await stream.statistics()).pending;
    expect(held).toBeGreaterThan(4);
    const tried = processor.attempts.length;
    await until(() => processor.attempts.length >= tried + 4);

    expect(warnings.mock.calls.flat()).toEqual(['Waiting, nothing is lost: gone']);
    expect(processor.inFlight).toBeLessThanOrEqual(1);
    expect((await stream.statistics()).pending).toBe(held);

    processor.failure = () => undefined;
    await until(() => processor.done.length >= 300);
    expect(processor.done.toSorted()).toEqual(numbered(300).toSorted());
    expect(logs.mock.calls.flat().filter((line) => line === 'Working again')).toHaveLength(1);
    expect(status).toMatchObject({ state: 'running', waitingFor: undefined });
    await until(async () => (await stream.statistics()).pending === 0);
  });

  it('interrupts a waiting read to try a batch again', async () => {
    make({ WORKER_BLOCK_MS: '60000' });
    const failures = [new VorpalUnavailableError('gone')];
    processor.failure = () => failures.pop();
    await append('only one');
    sut.onApplicationBootstrap();

    await until(() => processor.done.length >= 1);
    expect(processor.attempts).toEqual(['only one', 'only one']);
  });

  it('does not call it an outage when a batch is refused while others are served', async () => {
    const failures = [new VorpalOverloadedError('full')];
    processor.failure = ([message]) => (message === 'message 9' ? failures.pop() : undefined);
    // It ends when others have been served that were begun with it.
    processor.hold = ([message]) =>
      message === 'message 9' && processor.done.length === 0 ? until(() => processor.done.length > 0) : undefined;
    await append(...numbered(300));
    sut.onApplicationBootstrap();
    await until(() => processor.done.length >= 300);

    expect(processor.attempts.filter((message) => message === 'message 9')).toHaveLength(2);
    expect(processor.done.toSorted()).toEqual(numbered(300).toSorted());
    expect(warnings).not.toHaveBeenCalled();
  });

  it('begins others while batches wait for earlier entries, and first what was read first', async () => {
    make({ WORKER_MAX_BATCHES: '2' });
    processor.waitsInOrder = ([message]) => message !== 'message 0';
    const refusals = [new VorpalOverloadedError('full')];
    processor.failure = ([message]) => (message === 'message 0' ? refusals.pop() : undefined);
    // The first is refused while the second is served, and then takes until most of the others wait for it.
    processor.hold = ([message]) => {
      if (message === 'message 1') return undefined;
      if (message !== 'message 0') return until(() => processor.done.includes('message 0'));
      const isFirst = processor.attempts.indexOf('message 0') === processor.attempts.lastIndexOf('message 0');
      return until(() => processor.done.includes('message 1') && (isFirst || processor.inFlight > 10));
    };
    await append(...numbered(20));
    sut.onApplicationBootstrap();
    await until(() => processor.done.length >= 20);

    expect(processor.mostInFlight).toBeGreaterThan(10);
    expect(processor.attempts.filter((message) => message === 'message 0')).toHaveLength(2);
  });

  it('tries the batch read first when several met an outage, and does not stop at one that waits', async () => {
    make({ WORKER_MAX_BATCHES: '4' });
    processor.waitsInOrder = ([message]) => message !== 'message 0';
    processor.latencyMs = 1;
    let isAway = true;
    processor.failure = ([message]) => (isAway ? new VorpalUnavailableError(`gone with ${message}`) : undefined);
    await append(...numbered(4));
    sut.onApplicationBootstrap();
    await until(() => status.state === 'waiting' && processor.attempts.length >= 4 && processor.inFlight === 0);

    // The second one is ready first and waits for the first, which is in flight and not started.
    processor.hold = ([message]) =>
      message === 'message 0' ? undefined : until(() => processor.done.includes('message 0'));
    isAway = false;
    await until(() => processor.done.length >= 4);
    expect(processor.done[0]).toBe('message 0');
  });

  it('waits where everything is refused', async () => {
    processor.failure = () => new VorpalOverloadedError('full');
    await append(...numbered(10));
    sut.onApplicationBootstrap();
    await until(() => status.state === 'waiting');
    expect(status.waitingFor).toBe('full');

    processor.failure = () => undefined;
    await until(() => processor.done.length >= 10);
  });

  it('reports a fault of its own and leaves the entry to the stream', async () => {
    make({ STREAM_CLAIM_IDLE_MS: '1000' });
    const failures = [new TypeError('a fault')];
    processor.failure = ([message]) => (message === 'bad' ? failures.pop() : undefined);
    await append('bad', 'good');
    sut.onApplicationBootstrap();

    await until(() => processor.done.length >= 2);
    expect(processor.done).toEqual(['good', 'bad']);
    expect(warnings.mock.calls.flat().join()).toContain('TypeError: a fault');
  });

  it('keeps hold of its batches through an outage longer than the claim idle time', async () => {
    const claimIdleMs = 1_500;
    make({ STREAM_CLAIM_IDLE_MS: String(claimIdleMs) });
    processor.failure = () => new VorpalUnavailableError('gone');
    await append(...numbered(3));
    sut.onApplicationBootstrap();
    await until(() => status.state === 'waiting');
    const since = performance.now();
    await until(() => performance.now() - since > claimIdleMs);

    const other = new SqliteInputStream(database, { consumer: 'other', claimIdleMs });
    const taken = await other.read({ count: 10, blockMs: 1_000, signal: never });
    // What the worker has not read yet is anybody's.
    expect(taken.map(({ deliveries }) => deliveries).filter((deliveries) => deliveries > 1)).toEqual([]);
    await other.acknowledge(taken);

    processor.failure = () => undefined;
    await until(() => processor.done.length + taken.length >= 3);
    expect(new Set(processor.attempts).size).toBe(processor.done.length);
  });

  it('does not begin twice what a claim gives it a second time', async () => {
    make({ STREAM_CLAIM_IDLE_MS: '100' });
    jest.spyOn(stream, 'renew').mockResolvedValue();
    processor.latencyMs = 500;
    await append(...numbered(2));
    sut.onApplicationBootstrap();
    await until(() => processor.done.length >= 2);

    expect(processor.attempts).toHaveLength(2);
  });

  it('lets the batches in flight finish when it is stopped, and reads no more', async () => {
    processor.latencyMs = 1_000;
    await append(...numbered(50));
    sut.onApplicationBootstrap();
    await until(() => processor.inFlight > 1);
    const begun = processor.attempts.length;

    await sut.onModuleDestroy();

    expect(processor.attempts).toHaveLength(begun);
    expect(processor.done).toHaveLength(begun);
    expect(status.state).toBe('stopped');
  });

  it('breaks off what does not finish in time, and leaves it unacknowledged', async () => {
    make({ SHUTDOWN_GRACE_MS: '200' });
    processor.latencyMs = 60_000;
    await append('the only one');
    sut.onApplicationBootstrap();
    await until(() => processor.inFlight >= 1);
    const startedAt = performance.now();

    await sut.onModuleDestroy();

    // Of the minute that its batch would take.
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    expect(processor.done).toEqual([]);
    expect((await stream.statistics()).pending).toBe(1);
    expect(warnings).not.toHaveBeenCalled();
  });

  it('does not let an entry that Vorpal never answers hold up others, and gives it up in the end', async () => {
    make({ STREAM_CLAIM_IDLE_MS: '100', WORKER_MAX_BATCHES: '1', WORKER_BATCH_SIZE: '10' });
    isCanaryAnswered = true;
    processor.failure = (messages) => (messages.includes('hangs') ? new VorpalTimeoutError('too slow') : undefined);
    await append('hangs', ...numbered(30));
    sut.onApplicationBootstrap();

    await until(() => processor.done.length >= 30);
    expect(processor.givenUp).toEqual([]);
    await until(() => processor.givenUp.length >= 1);
    expect(processor.givenUp).toEqual(['hangs']);
    await append('after');
    await until(() => processor.done.includes('after'));
    await until(async () => (await stream.statistics()).pending === 0);
  });

  it('keeps what it has tried in vain while nothing shows that Vorpal answers others', async () => {
    make({ STREAM_CLAIM_IDLE_MS: '100', WORKER_BATCH_SIZE: '10' });
    processor.failure = () => new VorpalTimeoutError('too slow');
    await append(...numbered(5));
    sut.onApplicationBootstrap();
    await until(() => processor.attempts.length > 40);

    expect(processor.givenUp).toEqual([]);
    processor.failure = () => undefined;
    await until(() => processor.done.length >= 5);
  });

  it('goes on with other batches while an entry in doubt is tried by itself', async () => {
    make({ WORKER_MAX_BATCHES: '1', WORKER_BATCH_SIZE: '10', STREAM_CLAIM_IDLE_MS: '60000' });
    isCanaryAnswered = true;
    processor.failsOn = (message) => message === 'bad';
    await append('bad', ...numbered(40));
    sut.onApplicationBootstrap();

    await until(() => processor.done.length >= 40);
    await until(() => processor.failedAttempts.length >= 1);
    expect(processor.failedAttempts).toEqual(['bad']);
    expect(status.state).toBe('running');
  });
});
