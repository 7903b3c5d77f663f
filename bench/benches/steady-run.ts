import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { RedisClient } from '../../src/infra/redis/index.js';
import { ProgressBar } from '../../src/observability/index.js';
import { describeError, newId, sleep } from '../../src/shared/index.js';
import { fillBacklog, withStream } from '../load/backlog.js';
import { ChatLoad } from '../load/chat-load.js';
import { ChildProgram } from '../load/child-program.js';
import { clockOfProcesses, MachineMeter } from '../figures/machine-use.js';
import { round } from '../figures/report.js';

const SCRAPE_LIMIT_MS = 20_000;

export interface Sample {
  readonly at_s: number;
  readonly chats: number;
  readonly failed: number;
  readonly p50_ms: number | undefined;
  readonly p99_ms: number | undefined;
  readonly rss_bytes: number | undefined;
  readonly heap_bytes: number | undefined;
  readonly external_bytes: number | undefined;
  readonly event_loop_p99_ms: number | undefined;
  readonly processed: number | undefined;
  /** Unread, or not acknowledged. */
  readonly waiting: number | undefined;
  /** Processors that the brain kept busy. */
  readonly brain_processors: number | undefined;
  /** Share of all processors that somebody kept busy. */
  readonly machine_busy: number | undefined;
  /** Of Redis, or of the files of SQLite. */
  readonly store_bytes: number | undefined;
}

export interface SteadyRun {
  readonly backlog: number;
  readonly samples: readonly Sample[];
  readonly wasBrokenOff: boolean;
  /** Why the last chat that failed did, or why the load was ended. */
  readonly failure: string | undefined;
}

export interface SteadyRunOptions {
  readonly stub: ChildProgram;
  readonly folder: string;
  readonly label: string;
  /** Messages waiting at the start. The run ends when none waits any more; without any, by the other limits. */
  readonly backlog: number;
  readonly chatsPerSecond: number;
  readonly maxChats: number;
  readonly maxSeconds: number;
  readonly sampleEveryMs: number;
  readonly environment: NodeJS.ProcessEnv;
  /** Ends the run; what was measured is returned. */
  readonly signal: AbortSignal;
}

interface Watched {
  readonly url: string;
  readonly load: ChatLoad;
  readonly meter: MachineMeter;
  readonly storeBytes: () => Promise<number>;
}

/** Runs one brain, over a stub Vorpal and with a store of its own, under load, and samples it. */
export async function runSteadily(options: SteadyRunOptions): Promise<SteadyRun> {
  const keyPrefix = `bench-steady-${newId()}:`;
  const dataDir = join(options.folder, String(options.backlog));
  const environment = {
    ...options.environment,
    VORPAL_URL: await options.stub.url(),
    EMBEDDINGS_URL: await options.stub.url(),
    BRAIN_DATA_DIR: dataDir,
    REDIS_KEY_PREFIX: keyPrefix,
    STREAM_KEY: `${keyPrefix}stream`,
  };
  return withStream(environment, async (stream, redis) => {
    if (options.backlog > 0) await fillBacklog(stream, options.backlog);
    const brain = ChildProgram.start('brain', environment);
    try {
      const url = await brain.url();
      brain.ignoreLog();
      const meter = await MachineMeter.start({ brain: clockOfProcesses([brain.process.pid]) });
      return await watch(options, { url, meter, storeBytes: async () => storeBytesOf(redis, dataDir) });
    } finally {
      await brain.end('SIGTERM');
    }
  });
}

async function watch(options: SteadyRunOptions, brain: Omit<Watched, 'load'>): Promise<SteadyRun> {
  const { backlog, maxChats, maxSeconds } = options;
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  const load = new ChatLoad({ url: brain.url, chatsPerSecond: options.chatsPerSecond, maxChats, signal });
  let failure: string | undefined;
  const chatting = load.run().catch((error: unknown) => {
    failure = describeError(error);
    ended.abort();
  });
  const bar = new ProgressBar(`${options.label} (s)`, maxSeconds);
  const startedAt = performance.now();
  const samples: Sample[] = [];
  const isOver = (): boolean => {
    const isDone = backlog > 0 ? samples.at(-1)?.waiting === 0 : load.begun >= maxChats;
    return isDone || performance.now() - startedAt >= maxSeconds * 1_000;
  };
  while (!isOver() && (await sleep(options.sampleEveryMs, signal))) {
    const atS = Math.round((performance.now() - startedAt) / 1_000);
    const sample = await takeSample(atS, { ...brain, load }).catch((error: unknown) => {
      // Ctrl-C reaches the brain as well, and may do so first.
      if (!signal.aborted) throw error;
    });
    if (sample) samples.push(sample);
    bar.advance(atS - (samples.at(-2)?.at_s ?? 0));
  }
  bar.stop();
  const wasBrokenOff = options.signal.aborted;
  failure ??= load.failure;
  ended.abort();
  await chatting;
  return { backlog, samples, wasBrokenOff, failure };
}

async function takeSample(atS: number, { url, load, meter, storeBytes }: Watched): Promise<Sample> {
  const { chats, failed, p50Ms, p99Ms } = load.takeWindow();
  const use = await meter.lap();
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(SCRAPE_LIMIT_MS) });
  const metrics = await response.text();
  const value = (name: string) => valueIn(metrics, name);
  const loopSeconds = value('nodejs_eventloop_lag_p99_seconds');
  const [lag, pending] = [value('archive_brain_stream_lag'), value('archive_brain_stream_pending')];
  return {
    at_s: atS,
    chats,
    failed,
    p50_ms: rounded(p50Ms),
    p99_ms: rounded(p99Ms),
    rss_bytes: value('process_resident_memory_bytes'),
    heap_bytes: value('nodejs_heap_size_used_bytes'),
    external_bytes: value('nodejs_external_memory_bytes'),
    event_loop_p99_ms: loopSeconds === undefined ? undefined : rounded(loopSeconds * 1_000),
    processed: value('archive_brain_processed_entries_total'),
    waiting: lag === undefined || pending === undefined ? undefined : lag + pending,
    brain_processors: rounded(use.processors.brain),
    machine_busy: rounded(use.busyShare),
    store_bytes: await storeBytes(),
  };
}

const rounded = (value: number | undefined): number | undefined => (value === undefined ? undefined : round(value, 2));

/** The value of a metric without labels, in Prometheus' text format. */
function valueIn(metrics: string, name: string): number | undefined {
  const found = new RegExp(`^${name} (\\S+)$`, 'm').exec(metrics)?.[1];
  const value = Number(found);
  return found === undefined || Number.isNaN(value) ? undefined : value;
}

async function storeBytesOf(redis: RedisClient | undefined, dataDir: string): Promise<number> {
  if (redis) return Number(/^used_memory:(\d+)/m.exec(await redis.info('memory'))?.[1]);
  const files = readdirSync(dataDir).filter((name) => name.includes('.sqlite'));
  return files.reduce((sum, name) => sum + statSync(join(dataDir, name)).size, 0);
}
