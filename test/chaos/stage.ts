import { Redis } from 'ioredis';
import { FixedLatencyVorpal, type StubLatencies } from '../../bench/load/fixed-latency-vorpal.js';
import { percentile } from '../../bench/figures/report.js';
import { sleep } from '../../src/shared/index.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { BrainProcess } from './brain-process.js';
import type { ChatLoad } from './chat-load.js';
import { checkExactlyOnce, checkStream } from './exactly-once.js';
import type { SentMessage } from './message-source.js';
import type { Verdict } from './scenario.js';
import { readStreamState, readUsers } from './store-state.js';

const POLL_MS = 100;
// Nothing moved for this long: it is stuck, and what it left is reported.
const STALL_LIMIT_MS = 45_000;

const GIVEN_AGAIN = /^Decided before/;
const SENT_FROM_SPOOL = /^The stream takes messages again; (\d+) from the spool/;

/** Part of a brain's own report. */
interface CaptureReport {
  readonly captured: number;
  readonly spooled: number;
  readonly capture_failures: number;
}

/** A private Redis, a Vorpal that answers after a fixed time, and the brains that a scenario starts on them. */
export class Stage {
  private readonly brains: BrainProcess[] = [];

  private constructor(
    readonly redis: RedisServer,
    /** For looking into the store, past all faults. */
    readonly store: Redis,
    private readonly vorpal: FixedLatencyVorpal,
  ) {}

  /** Runs `work` and ends whatever it started, also when it fails. */
  static async with<T>(latencies: StubLatencies, work: (stage: Stage) => Promise<T>): Promise<T> {
    // With directives of its own it is never a server that others use.
    const redis = await startRedis({ config: {} });
    const vorpal = await FixedLatencyVorpal.start(latencies);
    const store = new Redis(redis.url, { protocol: 2, maxRetriesPerRequest: null });
    // An outage is what the scenarios are about; the driver connects again by itself.
    store.on('error', () => undefined);
    const stage = new Stage(redis, store, vorpal);
    try {
      return await work(stage);
    } finally {
      await Promise.all(stage.brains.map((brain) => brain.dispose()));
      store.disconnect();
      vorpal.stop();
      await redis.stop();
    }
  }

  /** Starts a brain with the settings that all of a scenario share, and some of its own. */
  start(consumer: string, environment: NodeJS.ProcessEnv = {}): BrainProcess {
    const brain = new BrainProcess(consumer, {
      REDIS_URL: this.redis.url,
      VORPAL_URL: this.vorpal.url,
      EMBEDDINGS_URL: this.vorpal.url,
      WORKER_BACKOFF_MAX_MS: '500',
      ...environment,
    });
    this.brains.push(brain);
    return brain;
  }

  /**
   * Waits until all that was sent is worked off, or nothing moves any more, and looks what has become of it.
   * @param loads each with the brain that it chatted with
   * @param appended what came to the stream past the brains
   */
  async judge(loads: readonly ChatLoad[], appended: readonly SentMessage[] = []): Promise<Verdict> {
    const reports = await this.untilWorkedOff(loads);
    const sent = {
      accepted: [...appended, ...loads.flatMap(({ answered }) => answered)],
      uncertain: loads.flatMap(({ unanswered }) => unanswered),
    };
    const userIds = new Set([...sent.accepted, ...sent.uncertain].map(({ userId }) => userId));
    const users = await readUsers(this.store, [...userIds]);
    const notCaptured = reports.reduce((sum, report) => sum + report.capture_failures, 0);
    const stillSpooled = reports.reduce((sum, report) => sum + report.spooled, 0);
    return {
      violations: [
        ...loads.flatMap(({ failures }) => failures),
        ...this.brains.flatMap(({ unaskedEnds }) => unaskedEnds),
        ...(notCaptured > 0 ? [`${notCaptured} messages were not captured`] : []),
        ...(stillSpooled > 0 ? [`${stillSpooled} messages are still in the spool`] : []),
        ...checkStream(await readStreamState(this.store)),
        ...checkExactlyOnce(sent, users),
      ],
      figures: {
        messages: sent.accepted.length,
        decisions: users.reduce((sum, { decisions }) => sum + decisions.length, 0),
        memories: users.reduce((sum, { memories }) => sum + memories.size, 0),
        said_again: users.reduce((sum, { repetitions }) => sum + sumOf(repetitions.values()), 0),
        given_again: this.logged(GIVEN_AGAIN).length,
        sent_from_spool: sumOf(this.logged(SENT_FROM_SPOOL).map(([, count]) => Number(count))),
        ...chatFigures(loads),
      },
    };
  }

  private logged(pattern: RegExp): RegExpExecArray[] {
    return this.brains.flatMap((brain) => brain.logged(pattern));
  }

  private async untilWorkedOff(loads: readonly ChatLoad[]): Promise<CaptureReport[]> {
    let before = '';
    let movedAt = performance.now();
    for (;;) {
      const reports = await Promise.all(loads.map(readReport));
      const stream = await readStreamState(this.store);
      const isCaptured = reports.every(({ captured, spooled, capture_failures: failed }, index) => {
        return spooled === 0 && captured + failed >= (loads[index]?.answered.length ?? 0);
      });
      if (isCaptured && stream.entries === 0) return reports;
      const now = JSON.stringify([reports.map(({ captured, spooled }) => [captured, spooled]), stream]);
      if (now !== before) movedAt = performance.now();
      if (performance.now() - movedAt > STALL_LIMIT_MS) return reports;
      before = now;
      await sleep(POLL_MS);
    }
  }
}

async function readReport({ url }: ChatLoad): Promise<CaptureReport> {
  const response = await fetch(`${url}/memory-worker`, { signal: AbortSignal.timeout(STALL_LIMIT_MS) });
  return (await response.json()) as CaptureReport;
}

function chatFigures(loads: readonly ChatLoad[]): Record<string, number> {
  const latenciesMs = loads.flatMap((load) => load.latenciesMs);
  return {
    chats: latenciesMs.length,
    chats_failed: loads.reduce((sum, { failures }) => sum + failures.length, 0),
    chat_p50_ms: Math.round(percentile(latenciesMs, 50)),
    chat_p99_ms: Math.round(percentile(latenciesMs, 99)),
    chat_max_ms: Math.round(percentile(latenciesMs, 100)),
  };
}

const sumOf = (values: Iterable<number>): number => [...values].reduce((sum, value) => sum + value, 0);
