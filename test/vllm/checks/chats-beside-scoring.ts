import { setTimeout as delay } from 'node:timers/promises';
import { formatTable, percentile, round } from '../../../bench/figures/report.js';
import { TestBrain, type WorkerReport } from '../../support/brain.js';
import { OutageProxy } from '../../support/outage-proxy.js';
import type { Check, CheckContext, CheckResult } from '../check.js';
import { longCjkText, ordinaryMessage } from './messages.js';

const CHATS = 30;
const ANSWER_TOKENS = 32;
const BACKLOG = 400;
const LONG_CHARACTERS = 16_000;
// The first chat meets whatever the server had begun before anybody chatted; from the second on the limit applies.
const CHATS_OF_FIRST_STEP = 1;
const LIMIT = 2;
// Far beyond any promise; a chat that takes longer is counted as that long, and the check goes on.
const CHAT_LIMIT_MS = 120_000;
const CAUGHT_UP_LIMIT_MS = 1_800_000;
const POLL_MS = 200;

interface Measured {
  readonly what: string;
  readonly chatsMs: readonly number[];
  /** Chats that were answered with something else than 200. */
  readonly failed: number;
}

/** How long chats take while the worker has much to score, in terms of how long they take when it has nothing. */
export const chatsBesideScoring: Check = {
  name: 'chats',
  promise: `from the second chat on, p50 and p99 are at most ${LIMIT} times the idle p50, whatever is being scored`,

  async run({ url, say, signal }: CheckContext): Promise<CheckResult> {
    const { hostname, port } = new URL(url);
    const proxy = await OutageProxy.to(hostname, Number(port));
    const brain = await TestBrain.start({
      VORPAL_URL: `http://${proxy.address}`,
      CHAT_MAX_TOKENS: String(ANSWER_TOKENS),
    });
    try {
      await brain.ready();
      const bench = new ChatBench(brain, say, signal);
      const idle = await bench.idle();
      const beside = [await bench.besideLongMessage(), await bench.besideBacklog(proxy)];
      return judge(idle, beside);
    } finally {
      await brain.dispose();
      await proxy.close();
    }
  },
};

class ChatBench {
  private users = 0;

  constructor(
    private readonly brain: TestBrain,
    private readonly say: (text: string) => void,
    private readonly signal: AbortSignal,
  ) {}

  async idle(): Promise<Measured> {
    // The first answer of a vLLM that has just started takes several times as long.
    await this.chat();
    return this.measure('idle', () => this.caughtUp());
  }

  /** One message at a time is being scored: the next one follows when it is done. */
  async besideLongMessage(): Promise<Measured> {
    let sent = 0;
    const keepBusy = async (): Promise<void> => {
      if (!isCaughtUp(await this.brain.worker())) return;
      sent += 1;
      await this.brain.post('/chat', { message: longCjkText(LONG_CHARACTERS, sent), user_id: `long-${sent}` });
      await this.brain.workerUntil((report) => !isCaughtUp(report));
    };
    const measured = await this.measure(`one message of ${LONG_CHARACTERS} CJK characters`, keepBusy);
    const startedAt = performance.now();
    await this.caughtUp();
    this.say(`chats: ${sent} long messages scored, the last ${seconds(startedAt)} s after the last chat`);
    return measured;
  }

  async besideBacklog(proxy: OutageProxy): Promise<Measured> {
    await proxy.close();
    this.say(`chats: ${BACKLOG} messages while vLLM is away`);
    for (let index = 0; index < BACKLOG; index++) {
      this.signal.throwIfAborted();
      await this.brain.post('/chat', { message: ordinaryMessage(index), user_id: `backlog-${index % 20}` });
    }
    await proxy.open();
    await this.brain.ready();
    const startedAt = performance.now();
    const left: number[] = [];
    const measured = await this.measure(`a backlog of ${BACKLOG} after an outage`, async () => {
      left.push(unscored(await this.brain.worker()));
    });
    this.say(`chats: ${left[0] ?? 0} messages unscored at the first chat, ${left.at(-1) ?? 0} at the last`);
    await this.caughtUp();
    this.say(`chats: the backlog was scored ${seconds(startedAt)} s after the outage`);
    return measured;
  }

  private async measure(what: string, before: () => Promise<void>): Promise<Measured> {
    const chatsMs: number[] = [];
    let failed = 0;
    for (let index = 0; index < CHATS; index++) {
      this.signal.throwIfAborted();
      await before();
      const startedAt = performance.now();
      const isAnswered = await this.chat();
      chatsMs.push(performance.now() - startedAt);
      if (!isAnswered) failed += 1;
      this.say(`chats beside ${what}: ${index + 1} of ${CHATS}, ${Math.round(chatsMs.at(-1) ?? 0)} ms`);
    }
    return { what, chatsMs, failed };
  }

  /** Of a new user each time: what is recalled and what was said before would make the prompts grow. */
  private async chat(): Promise<boolean> {
    this.users += 1;
    const response = await fetch(`${this.brain.url}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message: 'Tell me about the sea.', user_id: `reader-${this.users}` }),
      signal: AbortSignal.any([this.signal, AbortSignal.timeout(CHAT_LIMIT_MS)]),
    }).catch(() => undefined);
    this.signal.throwIfAborted();
    await response?.arrayBuffer();
    return response?.status === 200;
  }

  private async caughtUp(): Promise<void> {
    const deadline = performance.now() + CAUGHT_UP_LIMIT_MS;
    while (!isCaughtUp(await this.brain.worker())) {
      if (performance.now() > deadline) throw new Error('The worker does not catch up.');
      await delay(POLL_MS, undefined, { signal: this.signal });
    }
  }
}

const seconds = (startedAt: number): number => Math.round((performance.now() - startedAt) / 1_000);
const unscored = ({ lag, pending, spooled }: WorkerReport): number => (lag ?? 0) + (pending ?? 0) + spooled;
/** Also of what was captured and is not in the stream yet. */
const isCaughtUp = (report: WorkerReport): boolean => unscored(report) === 0 && report.processed >= report.captured;

function judge(idle: Measured, beside: readonly Measured[]): CheckResult {
  const idleP50 = percentile(idle.chatsMs, 50);
  const limitMs = LIMIT * idleP50;
  const rows = [idle, ...beside].map((measured) => {
    const counted = measured.chatsMs.slice(measured === idle ? 0 : CHATS_OF_FIRST_STEP);
    const [p50, p99] = [percentile(counted, 50), percentile(counted, 99)];
    const held = measured.failed === 0 && (measured === idle || Math.max(p50, p99) <= limitMs);
    const first = measured.chatsMs[0] ?? Number.NaN;
    const cells = [
      Math.round(first),
      Math.round(p50),
      Math.round(p99),
      round(p50 / idleP50, 2),
      round(p99 / idleP50, 2),
    ];
    return { held, cells: [measured.what, ...cells, measured.failed, held ? 'held' : 'VIOLATED'] };
  });
  const headers = [
    'beside',
    'first chat ms',
    'p50 ms',
    'p99 ms',
    'p50 / idle p50',
    'p99 / idle p50',
    'failed',
    'verdict',
  ];
  const table = formatTable(
    headers,
    rows.map(({ cells }) => cells),
  );
  return { held: rows.every(({ held }) => held), report: table };
}
