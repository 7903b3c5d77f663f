import { FixedLatencyVorpal } from '../../../bench/load/fixed-latency-vorpal.js';
import { sleep } from '../../../src/shared/index.js';
import { FaultyVorpal, VORPAL_FAULTS, type VorpalFault } from '../../support/faulty-vorpal.js';
import { ChatLoad } from '../chat-load.js';
import { MessageSource } from '../message-source.js';
import type { ChaosRun, Scenario, Verdict } from '../scenario.js';
import type { SeededRandom } from '../seeded-random.js';
import { Stage } from '../stage.js';
import { readUsers } from '../store-state.js';

const LATENCIES = { chatMs: 5, scoringMs: 20 };
const RHYTHM = { people: 4, maxPauseMs: 150 };
const SCORING_AND_EMBEDDING = ['/v1/completions', '/v1/embeddings'];
const POLL_MS = 25;
// On top of the settings' own waits: a slow machine, and a batch.
const SLACK_MS = 5_000;

const EXTENT = {
  short: { users: 8, faultMs: 700, silenceMs: 3_000, mixtures: 2, mixtureMs: 2_500 },
  // With fewer users the oldest of their decisions would give way to newer ones (DECISIONS_MAX_ENTRIES).
  long: { users: 50, faultMs: 15_000, silenceMs: 60_000, mixtures: 6, mixtureMs: 60_000 },
};
const WAITS = {
  short: { backoffMaxMs: 500, breakerOpenMs: 500, scoringTimeoutMs: 1_000, claimIdleMs: 1_000 },
  long: { backoffMaxMs: 5_000, breakerOpenMs: 5_000, scoringTimeoutMs: 5_000, claimIdleMs: 5_000 },
};

type Waits = (typeof WAITS)['short'];

/** Something that goes wrong for a while. */
interface Phase {
  readonly name: string;
  readonly ms: number;
  /** Whether chats are not answered either, as nobody could. */
  readonly isTotal: boolean;
  begin(vorpal: FaultyVorpal): void;
}

export const VORPAL_FAULTS_SCENARIO: Scenario = {
  name: 'vorpal-faults',
  promise:
    'Whatever Vorpal answers to scoring and embedding, or if it does not answer: no message is lost or given up, ' +
    'every chat is answered, and the worker continues within seconds.',
  run: async (chaos) => {
    const target = await FixedLatencyVorpal.start(LATENCIES);
    const vorpal = await FaultyVorpal.start(target.url);
    try {
      return await Stage.with(LATENCIES, (stage) => sufferFaults(stage, vorpal, chaos));
    } finally {
      await vorpal.stop();
      target.stop();
    }
  },
};

async function sufferFaults(stage: Stage, vorpal: FaultyVorpal, { random, scale, note }: ChaosRun): Promise<Verdict> {
  const waits = WAITS[scale];
  const load = new ChatLoad(await stage.start('brain', environment(vorpal.url, waits)).url());
  load.start(new MessageSource(random.fork('messages'), EXTENT[scale].users), random.fork('rhythm'), RHYTHM);
  const recoveries: Recovery[] = [];
  const excused = new Set<string>();
  for (const phase of phases(random.fork('faults'), scale)) {
    const failedBefore = load.failures.length;
    phase.begin(vorpal);
    await sleep(phase.ms);
    vorpal.faultOf = () => undefined;
    vorpal.speak();
    const recovery = { after: phase.name, ms: await untilProcessing(load.url, limitMs(waits)) };
    recoveries.push(recovery);
    if (phase.isTotal) {
      // The last chat of the silence ends, and the circuit that it has opened closes.
      await sleep(waits.scoringTimeoutMs + waits.breakerOpenMs);
      for (const failure of load.failures.slice(failedBefore)) excused.add(failure);
    }
    note(`${recovery.after}: working again after ${Math.round(recovery.ms)} ms`);
  }
  await load.stop();
  const { violations, figures } = await stage.judge([load]);
  const unscored = await countUnscored(stage, load);
  return {
    violations: [
      // What a chat says is captured before Vorpal is asked, whatever comes of that.
      ...(figures.decisions === figures.chats ? [] : ['not every message of a chat has a decision']),
      ...(unscored > 0 ? [`${unscored} messages were judged without a score, as if they could not have one`] : []),
      ...recoveries.flatMap((recovery) => describeLate(recovery, waits)),
      ...violations.filter((violation) => !excused.has(violation)),
    ],
    figures: {
      phases: recoveries.length,
      ...Object.fromEntries(VORPAL_FAULTS.map((fault) => [`met_${fault}`, vorpal.met.get(fault) ?? 0])),
      met_silence: vorpal.unanswered,
      recovery_max_ms: Math.round(Math.max(...recoveries.map(({ ms }) => ms))),
      recovery_limit_ms: limitMs(waits),
      ...figures,
      chats_during_silence: excused.size,
    },
  };
}

async function countUnscored({ store }: Stage, { answered, unanswered }: ChatLoad): Promise<number> {
  const userIds = new Set([...answered, ...unanswered].map(({ userId }) => userId));
  const users = await readUsers(store, [...userIds]);
  return users.flatMap(({ decisions }) => decisions).filter(({ perplexity }) => perplexity === null).length;
}

function environment(vorpalUrl: string, waits: Waits): NodeJS.ProcessEnv {
  return {
    VORPAL_URL: vorpalUrl,
    EMBEDDINGS_URL: vorpalUrl,
    WORKER_BACKOFF_MAX_MS: String(waits.backoffMaxMs),
    VORPAL_BREAKER_OPEN_MS: String(waits.breakerOpenMs),
    VORPAL_SCORING_TIMEOUT_MS: String(waits.scoringTimeoutMs),
    VORPAL_CONNECT_TIMEOUT_MS: String(waits.scoringTimeoutMs),
    VORPAL_CHAT_TIMEOUT_MS: String(waits.scoringTimeoutMs),
    // What is blamed on an entry is tried again soon, and soon given up.
    STREAM_CLAIM_IDLE_MS: String(waits.claimIdleMs),
  };
}

/** Each fault alone, in any order; then mixtures, in which each request meets one of them or none. */
function phases(random: SeededRandom, scale: ChaosRun['scale']): Phase[] {
  const { faultMs, silenceMs, mixtures, mixtureMs } = EXTENT[scale];
  const single: Phase[] = VORPAL_FAULTS.map((fault) => ({
    name: fault,
    ms: faultMs,
    isTotal: false,
    begin: meet(() => fault),
  }));
  const silence: Phase = {
    name: 'silence',
    ms: silenceMs,
    isTotal: true,
    begin: (vorpal) => {
      vorpal.fallSilent();
    },
  };
  const mixed: Phase[] = Array.from({ length: mixtures }, (_, index) => {
    const share = random.integer(20, 80) / 100;
    const chance = random.fork(`mixture ${index}`);
    return {
      name: `${Math.round(share * 100)} % of all`,
      ms: mixtureMs,
      isTotal: false,
      begin: meet(() => (chance.next() < share ? chance.pick(VORPAL_FAULTS) : undefined)),
    };
  });
  return [...shuffled([...single, silence], random), ...mixed];
}

const meet =
  (draw: () => VorpalFault | undefined) =>
  (vorpal: FaultyVorpal): void => {
    vorpal.faultOf = ({ path }) => (SCORING_AND_EMBEDDING.includes(path) ? draw() : undefined);
  };

interface Recovery {
  readonly after: string;
  readonly ms: number;
}

/**
 * How late the worker may notice that a fault is over: a request that was sent just before waits for its time limit, a
 * control request behind it for the same, and both pauses may have just begun.
 */
const limitMs = ({ backoffMaxMs, breakerOpenMs, scoringTimeoutMs }: Waits): number =>
  backoffMaxMs + breakerOpenMs + 2 * scoringTimeoutMs + SLACK_MS;

const describeLate = ({ after, ms }: Recovery, waits: Waits): string[] =>
  ms <= limitMs(waits) ? [] : [`after ${after} nothing was processed for ${Math.round(ms)} ms`];

/** Milliseconds until the worker has processed an entry more; no longer than twice `limit`. */
async function untilProcessing(url: string, limit: number): Promise<number> {
  const startedAt = performance.now();
  const before = await processed(url);
  while ((await processed(url)) === before && performance.now() - startedAt < 2 * limit) await sleep(POLL_MS);
  return performance.now() - startedAt;
}

async function processed(url: string): Promise<number> {
  const response = await fetch(`${url}/memory-worker`);
  return ((await response.json()) as { processed: number }).processed;
}

function shuffled<T>(values: readonly T[], random: SeededRandom): T[] {
  return values
    .map((value) => ({ value, key: random.next() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}
