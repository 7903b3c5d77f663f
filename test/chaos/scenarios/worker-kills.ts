import { newId, sleep } from '../../../src/shared/index.js';
import { encodeEntry } from '../../../src/stream/stored-entry.js';
import type { BrainProcess } from '../brain-process.js';
import { ChatLoad } from '../chat-load.js';
import { MessageSource, type SentMessage } from '../message-source.js';
import type { ChaosRun, Scenario, Verdict } from '../scenario.js';
import type { SeededRandom } from '../seeded-random.js';
import { Stage } from '../stage.js';
import { appendRaw, pendingOf } from '../store-state.js';

const EXTENT = {
  short: { messages: 420, kills: 6, users: 4 },
  long: { messages: 10_000, kills: 50, users: 25 },
};
const LATENCIES = { chatMs: 5, scoringMs: 100 };
const WORKERS = ['worker-a', 'worker-b'];
const WORKER_ENVIRONMENT = {
  BRAIN_ROLE: 'worker',
  // About as long as a start takes: sometimes the other worker takes over what a killed one held, sometimes it is back
  // first.
  STREAM_CLAIM_IDLE_MS: '2000',
  WORKER_MAX_BATCHES: '4',
};
/** The rest is appended to the stream as another program would, faster than chats bring it. */
const CHAT_SHARE = 0.2;
const CHATTING = 4;
/** Appended a second time, as a resend that comes too late to be recognised. */
const RESENT_SHARE = 0.05;
/** Of killed workers, those that never come back: another one, with another name, takes their place. */
const GONE_SHARE = 0.25;
/** Killed before it has begun to read. */
const EARLY_SHARE = 0.15;
const MOST_UNTIL_KILL_MS = 800;

export const WORKER_KILLS: Scenario = {
  name: 'worker-kills',
  promise: 'Workers are killed at random moments: every message has its effect once, and none stays pending.',
  run: (chaos) => Stage.with(LATENCIES, (stage) => new WorkerKills(stage, chaos).run()),
};

class WorkerKills {
  private readonly extent: (typeof EXTENT)['short'];
  private readonly random: SeededRandom;
  private readonly source: MessageSource;
  private readonly workers: BrainProcess[];
  private readonly appended: SentMessage[] = [];
  /** As fields of the stream. */
  private readonly entries: string[][] = [];
  private readonly counts = {
    resends: 0,
    kills: 0,
    kills_with_entries_in_hand: 0,
    entries_in_hand: 0,
    workers_gone: 0,
  };

  constructor(
    private readonly stage: Stage,
    private readonly chaos: ChaosRun,
  ) {
    this.extent = EXTENT[chaos.scale];
    this.random = chaos.random.fork('kills');
    this.source = new MessageSource(chaos.random.fork('messages'), this.extent.users);
    this.workers = WORKERS.map((name) => stage.start(name, WORKER_ENVIRONMENT));
  }

  async run(): Promise<Verdict> {
    const { kills, messages } = this.extent;
    const api = this.stage.start('api', { BRAIN_ROLE: 'api' });
    const load = new ChatLoad(await api.url());
    const portion = Math.ceil(messages / kills);
    for (let kill = 1; kill <= kills; kill++) {
      await this.round(load, this.source.take(Math.min(portion, messages - (kill - 1) * portion)));
      this.chaos.note(`${kill} of ${kills} kills, ${this.counts.entries_in_hand} entries were in flight`);
    }
    const { violations, figures } = await this.stage.judge([load], this.appended);
    return { violations, figures: { ...this.counts, ...figures } };
  }

  private async round(load: ChatLoad, messages: readonly SentMessage[]): Promise<void> {
    const victim = this.random.pick(this.workers);
    if (this.random.next() >= EARLY_SHARE) await victim.untilWorking();
    const said = messages.slice(0, messages.length * CHAT_SHARE);
    const chatting = load.sayAll(said, CHATTING);
    await this.append(messages.slice(said.length));
    await sleep(this.random.integer(0, MOST_UNTIL_KILL_MS));
    await this.kill(victim);
    await chatting;
  }

  private async append(messages: readonly SentMessage[]): Promise<void> {
    this.entries.push(...messages.map(fieldsOf));
    this.appended.push(...messages);
    const resends = Array.from({ length: Math.ceil(messages.length * RESENT_SHARE) }, () =>
      this.random.pick(this.entries),
    );
    this.counts.resends += resends.length;
    await appendRaw(this.stage.store, [...this.entries.slice(-messages.length), ...resends]);
  }

  private async kill(victim: BrainProcess): Promise<void> {
    await victim.kill();
    const { size } = await pendingOf(this.stage.store, victim.consumer);
    this.counts.kills += 1;
    this.counts.entries_in_hand += size;
    if (size > 0) this.counts.kills_with_entries_in_hand += 1;
    const isGone = this.random.next() < GONE_SHARE;
    if (isGone) this.counts.workers_gone += 1;
    victim.restart(isGone ? `worker-${this.counts.workers_gone}` : victim.consumer);
  }
}

function fieldsOf({ userId, sessionId, text }: SentMessage): string[] {
  const entry = {
    id: newId(),
    message: text,
    timestampMs: Date.now(),
    userId,
    sessionId,
    role: 'user',
    context: '',
  } as const;
  return Object.entries(encodeEntry(entry)).flat();
}
