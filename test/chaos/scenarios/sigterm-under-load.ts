import { FixedLatencyVorpal } from '../../../bench/load/fixed-latency-vorpal.js';
import { sleep } from '../../../src/shared/index.js';
import { TestBrain } from '../../support/brain.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { HttpClient, type Outcome } from '../http-client.js';
import type { ChaosRun, Scenario, Verdict } from '../scenario.js';
import type { SeededRandom } from '../seeded-random.js';

const EXTENT = { short: { terminations: 3 }, long: { terminations: 20 } };
const LATENCIES = { chatMs: 100, scoringMs: 30 };
const GRACE_MS = 4_000;
// A process needs some time to begin and to end, more on a busy machine.
const GRACE_MARGIN_MS = 10_000;
const KEEPING_CLIENTS = 32;
const NEW_CLIENTS = 8;
const CLIENTS = Array.from({ length: KEEPING_CLIENTS + NEW_CLIENTS }, (_, index) => `client-${index + 1}`);
const MAX_THOUGHT_MS = 100;
const TERMINATED_AFTER_MS = { from: 300, to: 2_000 };
const SETTLE_LIMIT_MS = 120_000;
const DECISIONS_LIMIT = 1_000;

export const SIGTERM_UNDER_LOAD: Scenario = {
  name: 'sigterm-under-load',
  promise:
    'SIGTERM under chat load: no request in flight is dropped, the exit code is 0 inside the grace period, ' +
    'and the messages of answered chats are processed after the restart.',
  run: async (chaos) => {
    const redis = await startRedis({ config: {} });
    const vorpal = await FixedLatencyVorpal.start(LATENCIES);
    const hosts = [new Host('SQLite', vorpal.url), new Host('Redis', vorpal.url, redis)];
    try {
      return await terminateAgainAndAgain(hosts, chaos);
    } finally {
      for (const host of hosts) await host.dispose();
      vorpal.stop();
      await redis.stop();
    }
  },
};

async function terminateAgainAndAgain(hosts: readonly Host[], { random, scale, note }: ChaosRun): Promise<Verdict> {
  const { terminations } = EXTENT[scale];
  const rounds: Round[] = [];
  for (let number = 1; number <= terminations; number++) {
    const host = hosts[number % hosts.length]!;
    const round = await host.chatUntilTerminated(number, random.fork(`round ${number}`));
    rounds.push(round);
    note(`${number} of ${terminations} (${host.name}): ended after ${Math.round(round.endedAfterMs)} ms`);
  }
  const lost = await Promise.all(hosts.map((host) => host.findLost()));
  const outcomes = rounds.flatMap((round) => round.outcomes);
  const count = (kind: Outcome['kind']): number => outcomes.filter((outcome) => outcome.kind === kind).length;
  return {
    violations: [...rounds.flatMap(describeRound), ...lost.flat()],
    figures: {
      terminations,
      requests: outcomes.length,
      answered: count('answered'),
      in_flight_at_sigterm: rounds.reduce((sum, { inFlight }) => sum + inFlight, 0),
      answered_after_sigterm: rounds.reduce((sum, { answeredAfterwards }) => sum + answeredAfterwards, 0),
      refused_connections: count('refused'),
      never_accepted: count('never accepted'),
      ended_after_max_ms: Math.round(Math.max(...rounds.map(({ endedAfterMs }) => endedAfterMs))),
    },
  };
}

interface Round {
  readonly name: string;
  readonly exitCode: number | NodeJS.Signals;
  readonly endedAfterMs: number;
  readonly outcomes: readonly Outcome[];
  readonly inFlight: number;
  readonly answeredAfterwards: number;
}

function describeRound({ name, exitCode, endedAfterMs, outcomes }: Round): string[] {
  return [
    ...(exitCode === 0 ? [] : [`${name}: exit code ${exitCode}`]),
    ...(endedAfterMs <= GRACE_MS + GRACE_MARGIN_MS ? [] : [`${name}: ended after ${Math.round(endedAfterMs)} ms`]),
    ...outcomes
      .filter(({ kind, status }) => kind === 'dropped' || (kind === 'answered' && status !== 200))
      .map((outcome) => `${name}: ${outcome.what} (${outcome.details})`),
  ];
}

/** A brain that is terminated and started again on the same store. */
class Host {
  private brain: TestBrain | undefined;
  private readonly answered = new Set<string>();
  /** Sessions of messages that, as far as their clients can tell, never reached the brain. */
  private readonly neverAccepted = new Set<string>();

  constructor(
    readonly name: string,
    private readonly vorpalUrl: string,
    private readonly redis?: RedisServer,
  ) {}

  async chatUntilTerminated(number: number, random: SeededRandom): Promise<Round> {
    const { program, url } = await this.start();
    const clients = CLIENTS.map((name, index) => new HttpClient(name, url, index < KEEPING_CLIENTS));
    const chats = clients.map((client) => this.chat(client, number, random.fork(client.name)));
    await sleep(random.integer(TERMINATED_AFTER_MS.from, TERMINATED_AFTER_MS.to));
    const terminatedAt = performance.now();
    const inFlight = clients.filter(({ isWaiting }) => isWaiting).length;
    const exitCode = await program.end('SIGTERM');
    const endedAfterMs = performance.now() - terminatedAt;
    await Promise.all(chats);
    const outcomes = clients.flatMap((client) => client.outcomes);
    for (const { kind, status, what } of outcomes) {
      if (status === 200) this.answered.add(what);
      if (kind === 'never accepted') this.neverAccepted.add(what);
    }
    return {
      name: `round ${number} (${this.name})`,
      exitCode,
      endedAfterMs,
      outcomes,
      inFlight,
      answeredAfterwards: outcomes.filter(({ kind, endedAt }) => kind === 'answered' && endedAt > terminatedAt).length,
    };
  }

  /** What was answered and has not exactly one decision after a restart, in words. */
  async findLost(): Promise<string[]> {
    const brain = await this.start();
    await brain.workerUntil(
      ({ lag, pending, spooled }) => lag === 0 && pending === 0 && spooled === 0,
      SETTLE_LIMIT_MS,
    );
    const sessions: string[] = [];
    for (const userId of CLIENTS) {
      const { body } = await brain.get<{ decisions: { session_id: string }[] }>(
        `/decisions?user_id=${userId}&limit=${DECISIONS_LIMIT}`,
      );
      sessions.push(...body.decisions.map(({ session_id: sessionId }) => sessionId));
    }
    const { dead_letters: letters } = await brain.worker();
    return [
      ...(letters === 0 ? [] : [`${this.name}: ${String(letters)} dead letters`]),
      ...[...this.answered].flatMap((session) => {
        const decisions = sessions.filter((decided) => decided === session).length;
        return decisions === 1 ? [] : [`${this.name}: ${session} was answered and has ${decisions} decisions`];
      }),
      // Had it never been accepted, nobody would know of it.
      ...sessions
        .filter((session) => this.neverAccepted.has(session))
        .map((session) => `${this.name}: ${session} was dropped after the brain had read it`),
    ];
  }

  async dispose(): Promise<void> {
    await this.brain?.dispose();
  }

  private async start(): Promise<TestBrain> {
    this.brain = await (this.brain?.restart() ?? TestBrain.start(this.environment()));
    return this.brain;
  }

  private environment(): NodeJS.ProcessEnv {
    return {
      VORPAL_URL: this.vorpalUrl,
      EMBEDDINGS_URL: this.vorpalUrl,
      SHUTDOWN_GRACE_MS: String(GRACE_MS),
      ...(this.redis && { REDIS_URL: this.redis.url }),
    };
  }

  /** Chats until the brain tells that it closes the connection, or is gone. */
  private async chat(client: HttpClient, round: number, random: SeededRandom): Promise<void> {
    for (let number = 1; !client.isTurnedAway; number++) {
      const session = `${client.name}-${round}-${number}`;
      const message = `The train number ${random.integer(1, 1_000_000)} leaves at nine.`;
      await client.post('/chat', { message, user_id: client.name, session_id: session }, session);
      await sleep(random.integer(0, MAX_THOUGHT_MS));
    }
  }
}
