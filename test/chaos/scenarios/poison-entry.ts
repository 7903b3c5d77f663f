import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { FixedLatencyVorpal } from '../../../bench/load/fixed-latency-vorpal.js';
import { percentile } from '../../../bench/figures/report.js';
import type { Decision } from '../../../src/memory/memory.js';
import { describeError, sleep } from '../../../src/shared/index.js';
import { type FaultyRequest, FaultyVorpal, type VorpalFault } from '../../support/faulty-vorpal.js';
import { ChatLoad } from '../chat-load.js';
import { MessageSource, type SentMessage } from '../message-source.js';
import type { ChaosRun, Scenario, Verdict } from '../scenario.js';
import { SeededRandom } from '../seeded-random.js';
import { Stage } from '../stage.js';
import { readUsers } from '../store-state.js';

const LATENCIES = { chatMs: 5, scoringMs: 50 };
const USERS = 6;
const PEOPLE = 2;
const ATTEMPTS = 3;
const CLAIM_IDLE_MS = 4_000;
const SCORING_TIMEOUT_MS = 1_000;
const POLL_MS = 50;
const COMMAND = fileURLToPath(new URL('../../../dist/commands/dead-letters.js', import.meta.url));
const COMMAND_LIMIT_MS = 60_000;

/** Faults of an answer: the entry is given up after its attempts. */
const WRONG_ANSWERS: readonly VorpalFault[] = ['http-500', 'nan', 'invalid-json', 'wrong-length', 'truncated-json'];

const EXTENT = {
  short: { good: 80, pauseMs: 0, poisons: WRONG_ANSWERS.slice(0, 4), unscorable: 1, settleLimitMs: 90_000 },
  // Each try of one that is never answered takes a time limit.
  long: {
    good: 1_000,
    pauseMs: 60,
    poisons: [...WRONG_ANSWERS, ...WRONG_ANSWERS, 'held' as const, 'reset' as const],
    unscorable: 3,
    settleLimitMs: 300_000,
  },
};

// How much longer the longest way from a capture to its decision may be with poison than without: the batch of a poison
// entry is asked for again, entry by entry, with the pauses of the client between its attempts; one that is not
// answered costs time limits instead, and may open the circuit. Whether somebody waits for what becomes of a poison
// entry shows besides in what is sent soon after it: it has to be decided before that is given up.
const MOST_TIMES_LONGER = 3;
const MOST_MS_LONGER = { answered: 2_000, unanswered: 15_000 };
const SOON_MS = CLAIM_IDLE_MS;

/** A message that Vorpal fails on whenever it is in a request. */
interface Poison {
  readonly sent: SentMessage;
  readonly mark: string;
  readonly fault: VorpalFault;
  /** Only scoring fails: it is judged without a score in the end, and not given up. */
  readonly isEmbedded: boolean;
}

interface Letter {
  readonly id: string;
  readonly deliveries: number;
  readonly preview: string;
  readonly dead_lettered_at: string;
}

/** By session. */
type Decisions = ReadonlyMap<string | null, Decision>;

/** One run, with or without what it is compared to. */
interface Course {
  readonly stage: Stage;
  readonly vorpal: FaultyVorpal;
  readonly load: ChatLoad;
  /** Session of a message → when it was sent, in milliseconds since the epoch. */
  readonly sentAtMs: ReadonlyMap<string, number>;
}

export const POISON_ENTRY: Scenario = {
  name: 'poison-entry',
  promise:
    'An entry on which Vorpal always fails goes to the dead letters after its attempts; others are not delayed by ' +
    'more than a batch; requeued, it is processed once.',
  run: async (chaos) => {
    const { random, scale, note } = chaos;
    const plan = planMessages(random, scale);
    const { good, poisons } = plan;
    const { pauseMs } = EXTENT[scale];
    const usual = await withCourse(good, pauseMs, async (course) => {
      await untilDecided(course, good, EXTENT[scale].settleLimitMs);
      return delaysMs(course, good, await decisionsOf(course));
    });
    note(`without poison a message is decided after ${Math.round(Math.max(...usual))} ms at most`);
    return withCourse(plan.all, pauseMs, (course) => sufferPoison(course, { good, poisons, usual }, chaos), poisons);
  },
};

async function sufferPoison(
  course: Course,
  { good, poisons, usual }: { good: readonly SentMessage[]; poisons: readonly Poison[]; usual: readonly number[] },
  { scale, note }: ChaosRun,
): Promise<Verdict> {
  const { stage, vorpal, load } = course;
  const { settleLimitMs } = EXTENT[scale];
  const deadly = poisons.filter(({ isEmbedded }) => !isEmbedded);
  const unscorable = poisons.filter(({ isEmbedded }) => isEmbedded);
  await untilDecided(course, [...good, ...unscorable.map(({ sent }) => sent)], settleLimitMs);
  const letters = await untilLetters(load.url, deadly.length, settleLimitMs);
  note(`${letters.length} of ${deadly.length} poison entries given up`);

  const early = await decisionsOf(course);
  const delays = delaysMs(course, good, early);
  const limit = poisons.reduce(
    (sum, { fault }) => sum + MOST_MS_LONGER[isAnswered(fault) ? 'answered' : 'unanswered'],
    Math.max(...usual) * MOST_TIMES_LONGER,
  );
  const violations = [
    ...good.flatMap(({ sessionId }, index) =>
      delays[index]! <= limit ? [] : [`${sessionId} was decided ${delays[index]} ms after it was sent`],
    ),
    ...deadly.flatMap((poison) => [
      ...describeLetter(poison, letters),
      ...overtaken(poison, course, good, letters, early),
    ]),
    ...deadly.filter(({ sent }) => early.has(sent.sessionId)).map(({ mark }) => `${mark} has a decision`),
    ...unscorable
      .filter(({ sent }) => early.get(sent.sessionId)?.perplexity !== null)
      .map(({ mark }) => `${mark} was not judged without its score`),
  ];

  vorpal.faultOf = () => undefined;
  const requeueFailures = await requeueAll(stage, load.url, letters);
  await untilDecided(
    course,
    deadly.map(({ sent }) => sent),
    settleLimitMs,
  );
  const { violations: after, figures } = await stage.judge([load]);
  return {
    violations: [...violations, ...requeueFailures, ...after],
    figures: {
      good: good.length,
      poison: deadly.length,
      unscorable: unscorable.length,
      dead_letters: letters.length,
      delay_p50_ms: Math.round(percentile(delays, 50)),
      delay_without_poison_p50_ms: Math.round(percentile(usual, 50)),
      delay_max_ms: Math.round(Math.max(...delays)),
      delay_without_poison_max_ms: Math.round(Math.max(...usual)),
      delay_limit_ms: Math.round(limit),
      ...figures,
    },
  };
}

/** Poison among good messages, at places that chance picks, and never the last of all. */
function planMessages(random: SeededRandom, scale: ChaosRun['scale']) {
  const { good: count, poisons: faults, unscorable } = EXTENT[scale];
  const source = new MessageSource(random.fork('messages'), USERS);
  const good = source.take(count);
  const kinds = [
    ...faults.map((fault) => ({ fault, isEmbedded: false })),
    ...Array.from({ length: unscorable }, () => ({ fault: random.pick(WRONG_ANSWERS), isEmbedded: true })),
  ];
  const all: SentMessage[] = [...good];
  const poisons = kinds.map((kind, index): Poison => {
    const mark = `poison ${index + 1}`;
    const { userId, sessionId } = source.next();
    const sent = { userId, sessionId, text: `${mark}, ${kind.fault}, and some harmless words.` };
    all.splice(random.integer(0, all.length - 1), 0, sent);
    return { ...kind, sent, mark };
  });
  return { good, poisons, all };
}

/**
 * Sends `messages` to a brain that does one batch after another: whatever holds it up holds up all that come behind.
 */
async function withCourse<T>(
  messages: readonly SentMessage[],
  pauseMs: number,
  work: (course: Course) => Promise<T>,
  poisons: readonly Poison[] = [],
): Promise<T> {
  const target = await FixedLatencyVorpal.start(LATENCIES);
  const vorpal = await FaultyVorpal.start(target.url);
  vorpal.faultOf = (request) => poisons.find((poison) => isHitBy(poison, request))?.fault;
  try {
    return await Stage.with(LATENCIES, async (stage) => {
      const brain = stage.start('brain', {
        VORPAL_URL: vorpal.url,
        EMBEDDINGS_URL: vorpal.url,
        WORKER_MAX_BATCHES: '1',
        STREAM_MAX_ATTEMPTS: String(ATTEMPTS),
        STREAM_CLAIM_IDLE_MS: String(CLAIM_IDLE_MS),
        VORPAL_SCORING_TIMEOUT_MS: String(SCORING_TIMEOUT_MS),
        // Recall would embed the poison for its chat, and that is not what is looked at.
        RECALL_LIMIT: '0',
      });
      const load = new ChatLoad(await brain.url());
      const sentAtMs = await sendAll(load, messages, pauseMs);
      return work({ stage, vorpal, load, sentAtMs });
    });
  } finally {
    await vorpal.stop();
    target.stop();
  }
}

const isHitBy = ({ mark, isEmbedded }: Poison, { path, body }: FaultyRequest): boolean =>
  (path === '/v1/completions' || (path === '/v1/embeddings' && !isEmbedded)) && body.includes(`${mark},`);

async function sendAll(
  load: ChatLoad,
  messages: readonly SentMessage[],
  pauseMs: number,
): Promise<Map<string, number>> {
  const sentAtMs = new Map<string, number>();
  const waiting = messages.values();
  const person = async () => {
    for (const message of waiting) {
      sentAtMs.set(message.sessionId, Date.now());
      await load.say(message);
      await sleep(pauseMs);
    }
  };
  await Promise.all(Array.from({ length: PEOPLE }, person));
  return sentAtMs;
}

async function decisionsOf({ stage, load }: Course): Promise<Decisions> {
  const userIds = new Set(load.answered.map(({ userId }) => userId));
  const users = await readUsers(stage.store, [...userIds]);
  return new Map(users.flatMap(({ decisions }) => decisions).map((decision) => [decision.sessionId, decision]));
}

/** Of each message the time from its sending to its decision; infinite where there is none. */
function delaysMs({ sentAtMs }: Course, messages: readonly SentMessage[], decisions: Decisions): number[] {
  return messages.map(
    ({ sessionId }) => (decisions.get(sessionId)?.decidedAtMs ?? Infinity) - (sentAtMs.get(sessionId) ?? 0),
  );
}

/** Waits until all have a decision, or for `limitMs`: what is missing then is found by whoever looks. */
async function untilDecided(course: Course, messages: readonly SentMessage[], limitMs: number): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const decisions = await decisionsOf(course);
    if (messages.every(({ sessionId }) => decisions.has(sessionId)) || performance.now() > deadline) return;
    await sleep(POLL_MS);
  }
}

async function untilLetters(url: string, count: number, limitMs: number): Promise<Letter[]> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const response = await fetch(`${url}/dead-letters`);
    const { dead_letters: letters } = (await response.json()) as { dead_letters: Letter[] };
    if (letters.length >= count || performance.now() > deadline) return letters;
    await sleep(POLL_MS);
  }
}

/** What was sent soon after a poison entry and was decided only after that was given up. */
function overtaken(
  { mark, sent }: Poison,
  { sentAtMs }: Course,
  good: readonly SentMessage[],
  letters: readonly Letter[],
  decisions: Decisions,
): string[] {
  const poisonAtMs = sentAtMs.get(sent.sessionId) ?? 0;
  const givenUp = letters.find(({ preview }) => preview.startsWith(`${mark},`))?.dead_lettered_at;
  if (givenUp === undefined) return [];
  return good
    .filter(({ sessionId }) => {
      const behindMs = (sentAtMs.get(sessionId) ?? 0) - poisonAtMs;
      return behindMs >= 0 && behindMs <= SOON_MS;
    })
    .filter(({ sessionId }) => (decisions.get(sessionId)?.decidedAtMs ?? Infinity) > Date.parse(givenUp))
    .map(({ sessionId }) => `${sessionId} was decided only after ${mark}, sent before it, was given up`);
}

const isAnswered = (fault: VorpalFault): boolean => WRONG_ANSWERS.includes(fault);

function describeLetter({ mark, fault }: Poison, letters: readonly Letter[]): string[] {
  const found = letters.filter(({ preview }) => preview.startsWith(`${mark},`));
  if (found.length !== 1) return [`${mark} (${fault}) has ${found.length} dead letters`];
  return found
    .filter(({ deliveries }) => isAnswered(fault) && deliveries !== ATTEMPTS)
    .map(({ deliveries }) => `${mark} (${fault}) was given up after ${deliveries} deliveries and not ${ATTEMPTS}`);
}

/** One half over HTTP, each asked for three times at once; the other by the operator's command. */
async function requeueAll({ redis }: Stage, url: string, letters: readonly Letter[]): Promise<string[]> {
  const ids = letters.map(({ id }) => id);
  const half = Math.ceil(ids.length / 2);
  const overHttp = await Promise.all(ids.slice(0, half).map((id) => requeueOverHttp(url, id)));
  const byCommand = await requeueByCommand(redis.url, ids.slice(half));
  return [...overHttp, byCommand].flat();
}

async function requeueOverHttp(url: string, id: string): Promise<string[]> {
  const ask = async () => (await fetch(`${url}/dead-letters/${id}/requeue`, { method: 'POST' })).status;
  const statuses = (await Promise.all([ask(), ask(), ask()])).sort((a, b) => a - b);
  return statuses.join() === '200,404,404'
    ? []
    : [`three requeues of one dead letter were answered ${statuses.join()}`];
}

async function requeueByCommand(redisUrl: string, ids: readonly string[]): Promise<string[]> {
  if (ids.length === 0) return [];
  const env = { ...process.env, NODE_OPTIONS: '', REDIS_URL: redisUrl };
  try {
    await promisify(execFile)(process.execPath, [COMMAND, 'requeue', ...ids], { env, timeout: COMMAND_LIMIT_MS });
    return [];
  } catch (error) {
    return [`the requeue by command failed: ${describeError(error)}`];
  }
}
