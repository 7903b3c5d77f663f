import type { RedisClient } from '../../src/infra/redis/index.js';
import { ProgressBar } from '../../src/observability/index.js';
import { newId, sleep } from '../../src/shared/index.js';
import { fillBacklog, withStream } from './backlog.js';
import { ChildProgram } from './child-program.js';
import { clockOfProcesses, MachineMeter, type MachineUse, ownClock } from '../figures/machine-use.js';

// A scrape costs each worker a few questions to the store.
const POLL_MS = 200;
const STALL_MS = 60_000;
// The last part is not measured: batches are not full any more.
const MEASURED_UP_TO = 0.95;
// Less could not be told from the noise of a machine that does other things as well.
const LEAST_MEASURED_MS = 1_000;

export interface WorkerLoad {
  readonly stub: ChildProgram;
  readonly workers: number;
  /** How many messages wait at the start. */
  readonly entries: number;
  /** This share of them is processed before the measurement begins: the way up to speed. */
  readonly measuredFrom: number;
  readonly environment: NodeJS.ProcessEnv;
  readonly label: string;
  /** Where each worker writes a profile of its processor time (`--cpu-prof`). */
  readonly profileFolder?: string;
}

export interface WorkerLoadFigures {
  readonly messagesPerSecond: number;
  /** Batches in flight, most that any worker allowed itself. */
  readonly mostBatches: number;
  readonly use: MachineUse;
}

/** What is true of the store when nothing waits any more. */
export interface WorkerLoadOutcome extends WorkerLoadFigures {
  /** Entries that the workers say they have processed, one that was processed twice counted twice. */
  readonly processed: number;
  /** Attempts that failed because of the entry. */
  readonly failed: number;
  /** Entries left in the stream, unread or not acknowledged, and dead letters. */
  readonly left: number;
}

interface Worker {
  readonly program: ChildProgram;
  readonly url: string;
}

interface Report {
  readonly processed: number;
  readonly failed: number;
  readonly in_flight_batches: number;
  readonly lag: number | null;
  readonly pending: number | null;
  readonly dead_letters: number | null;
}

/**
 * Lets workers, each a process of its own on one store, work off a backlog, and measures them between two shares of it.
 * `inspect` is called when it is empty and they have ended, before what they left in Redis is removed.
 */
export async function runWorkerLoad<T>(
  load: WorkerLoad,
  inspect: (outcome: WorkerLoadOutcome, redis: RedisClient | undefined, keyPrefix: string) => Promise<T>,
): Promise<T> {
  const keyPrefix = `bench-${newId()}:`;
  const environment = {
    ...load.environment,
    VORPAL_URL: await load.stub.url(),
    EMBEDDINGS_URL: await load.stub.url(),
    REDIS_KEY_PREFIX: keyPrefix,
    STREAM_KEY: `${keyPrefix}stream`,
  };
  return withStream(environment, async (stream, redis) => {
    await fillBacklog(stream, load.entries);
    const workers = await startWorkers(load, environment);
    try {
      const figures = await follow(load, workers, redis);
      const outcome = { ...figures, ...(await drain(workers)) };
      await endAll(workers);
      return await inspect(outcome, redis, keyPrefix);
    } finally {
      await endAll(workers);
    }
  });
}

async function startWorkers(load: WorkerLoad, environment: NodeJS.ProcessEnv): Promise<Worker[]> {
  const { profileFolder: folder } = load;
  const nodeOptions = folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`];
  const programs = Array.from({ length: load.workers }, (_, index) =>
    // Each under a name of its own: two of one name would take each other's entries for their own.
    ChildProgram.start('brain', { ...environment, STREAM_CONSUMER: `worker-${index}` }, { nodeOptions }),
  );
  return Promise.all(
    programs.map(async (program) => {
      const url = await program.url();
      program.ignoreLog();
      return { program, url };
    }),
  );
}

async function endAll(workers: readonly Worker[]): Promise<void> {
  await Promise.all(workers.map(({ program }) => program.end('SIGTERM')));
}

async function follow(
  load: WorkerLoad,
  workers: readonly Worker[],
  redis: RedisClient | undefined,
): Promise<WorkerLoadFigures> {
  const { entries } = load;
  const bar = new ProgressBar(load.label, entries);
  const meter = await MachineMeter.start({
    workers: clockOfProcesses(workers.map(({ program }) => program.process.pid)),
    redis: async () => (redis ? redisProcessorMs(redis) : undefined),
    stub: clockOfProcesses([load.stub.process.pid]),
    benchmark: ownClock,
  });
  let begin: { readonly at: number; readonly processed: number } | undefined;
  let [before, movedAt, mostBatches] = [0, performance.now(), 0];
  for (;;) {
    const reports = await Promise.all(workers.map(readReport));
    const processed = sumOf(reports.map((report) => report.processed));
    const at = performance.now();
    if (processed > before) movedAt = at;
    if (at - movedAt > STALL_MS) throw new Error(`The workers stand still at ${processed} of ${entries} messages.`);
    bar.advance(processed - before);
    before = processed;
    mostBatches = Math.max(mostBatches, ...reports.map((report) => report.in_flight_batches));
    if (begin === undefined && processed >= entries * load.measuredFrom) {
      begin = { at, processed };
      await meter.lap();
    } else if (begin && processed >= entries * MEASURED_UP_TO) {
      bar.stop();
      const elapsedMs = at - begin.at;
      if (elapsedMs < LEAST_MEASURED_MS) throw new Error(`${entries} messages are too few to measure their rate.`);
      const messagesPerSecond = ((processed - begin.processed) * 1_000) / elapsedMs;
      return { messagesPerSecond, mostBatches, use: await meter.lap() };
    }
    await sleep(POLL_MS);
  }
}

async function drain(workers: readonly Worker[]): Promise<Pick<WorkerLoadOutcome, 'processed' | 'failed' | 'left'>> {
  let movedAt = performance.now();
  let before = -1;
  for (;;) {
    const reports = await Promise.all(workers.map(readReport));
    const [first] = reports;
    const waiting = (first?.lag ?? 1) + (first?.pending ?? 1);
    const processed = sumOf(reports.map((report) => report.processed));
    if (processed > before) movedAt = performance.now();
    before = processed;
    if (waiting === 0 || performance.now() - movedAt > STALL_MS) {
      // Asked again: the first answers may be older than the last one.
      const last = await Promise.all(workers.map(readReport));
      return {
        processed: sumOf(last.map((report) => report.processed)),
        failed: sumOf(last.map((report) => report.failed)),
        left: waiting + (first?.dead_letters ?? 0),
      };
    }
    await sleep(POLL_MS);
  }
}

async function readReport({ url }: Worker): Promise<Report> {
  const response = await fetch(`${url}/memory-worker`, { signal: AbortSignal.timeout(STALL_MS) });
  return (await response.json()) as Report;
}

/** Processor time of the server, all of its threads together. */
export async function redisProcessorMs(redis: RedisClient): Promise<number> {
  const info = await redis.info('cpu');
  const seconds = ['used_cpu_user', 'used_cpu_sys'].map((name) =>
    Number(new RegExp(`${name}:([\\d.]+)`).exec(info)?.[1]),
  );
  return sumOf(seconds) * 1_000;
}

const sumOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
