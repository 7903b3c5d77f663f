import { sleep } from '../../../src/shared/index.js';
import { OutageProxy } from '../../support/outage-proxy.js';
import type { BrainProcess } from '../brain-process.js';
import { ChatLoad } from '../chat-load.js';
import { MessageSource } from '../message-source.js';
import type { ChaosRun, Scenario, Verdict } from '../scenario.js';
import type { SeededRandom } from '../seeded-random.js';
import { Stage } from '../stage.js';
import { pendingOf } from '../store-state.js';

const EXTENT = {
  // Of one group of hosts: brains that do both, or, as in a larger installation, one that answers and one that works.
  short: { rounds: 1, roles: ['all'], users: 4, longestCutMs: 3_000 },
  long: { rounds: 5, roles: ['api', 'worker'], users: 10, longestCutMs: 7_000 },
} as const;
const LATENCIES = { chatMs: 5, scoringMs: 300 };
const RHYTHM = { people: 3, maxPauseMs: 250 };
// Shorter than many of the silences, so that the other group claims the in-flight entries of a silent one.
const ENVIRONMENT = { STREAM_CLAIM_IDLE_MS: '1000' };
// Shorter and longer than the brain's own time limits for Redis (2 and 4 s), with what the taking over takes
// beforehand.
const SHORTEST_CUT_MS = 300;
const BETWEEN_MS = { from: 200, to: 1_500 };
// Without them a group without in-flight entries, or one too busy to claim any, would block the run.
const IN_HAND_LIMIT_MS = 5_000;
const TAKE_OVER_LIMIT_MS = 20_000;
const POLL_MS = 20;

type Kind = 'reset' | 'silence';

interface Cut {
  readonly groups: readonly Group[];
  readonly kind: Kind;
}

/** Brains that reach Redis by one way, which can be cut. */
interface Group {
  readonly name: string;
  readonly way: OutageProxy;
  readonly brains: readonly BrainProcess[];
  readonly load: ChatLoad;
}

export const PARTITIONS: Scenario = {
  name: 'partitions',
  promise: 'Two groups of hosts are cut off from Redis and back: every message has its effect once, and none is lost.',
  run: (chaos) => Stage.with(LATENCIES, (stage) => new Partitions(stage, chaos).run()),
};

class Partitions {
  private readonly extent: (typeof EXTENT)['short' | 'long'];
  private readonly random: SeededRandom;
  private readonly counts = {
    cuts: 0,
    resets: 0,
    silences: 0,
    of_both_groups: 0,
    cut_off_ms: 0,
    in_hand_at_silence: 0,
    taken_over_in_silence: 0,
  };

  constructor(
    private readonly stage: Stage,
    private readonly chaos: ChaosRun,
  ) {
    this.extent = EXTENT[chaos.scale];
    this.random = chaos.random.fork('cuts');
  }

  async run(): Promise<Verdict> {
    const groups = await Promise.all(['a', 'b'].map((name) => this.startGroup(name)));
    const source = new MessageSource(this.chaos.random.fork('messages'), this.extent.users);
    try {
      for (const { name, load } of groups) load.start(source, this.chaos.random.fork(name), RHYTHM);
      for (let round = 0; round < this.extent.rounds; round++) {
        for (const cut of this.random.shuffled(allCuts(groups))) await this.cut(cut);
      }
      await Promise.all(groups.map(({ load }) => load.stop()));
      const { violations, figures } = await this.stage.judge(groups.map(({ load }) => load));
      return { violations, figures: { ...this.counts, ...figures } };
    } finally {
      await Promise.all(groups.map(({ way }) => way.close()));
    }
  }

  private async startGroup(name: string): Promise<Group> {
    const redis = new URL(this.stage.redis.url);
    const way = await OutageProxy.to(redis.hostname, Number(redis.port));
    const environment = { ...ENVIRONMENT, REDIS_URL: `redis://${way.address}` };
    const brains = this.extent.roles.map((role) =>
      this.stage.start(`${role}-${name}`, { ...environment, BRAIN_ROLE: role }),
    );
    const urls = await Promise.all(brains.map((brain) => brain.url()));
    return { name, way, brains, load: new ChatLoad(urls[0]!) };
  }

  private async cut({ groups, kind }: Cut): Promise<void> {
    await sleep(this.random.integer(BETWEEN_MS.from, BETWEEN_MS.to));
    const cutMs = this.random.integer(SHORTEST_CUT_MS, this.extent.longestCutMs);
    if (kind === 'silence') await this.untilInHand(groups);
    const cutAt = performance.now();
    if (kind === 'reset') await Promise.all(groups.map(({ way }) => way.close()));
    else for (const { way } of groups) way.fallSilent();
    if (kind === 'silence' && groups.length === 1) await this.watchTakeOver(groups);
    await sleep(cutMs);
    if (kind === 'reset') await Promise.all(groups.map(({ way }) => way.open()));
    else for (const { way } of groups) way.speak();
    this.count(groups, kind, performance.now() - cutAt);
    const names = groups.map(({ name }) => name).join(' and ');
    this.chaos.note(`${kind} of ${names} ended, ${this.counts.taken_over_in_silence} entries were taken over so far`);
  }

  private count(groups: readonly Group[], kind: Kind, ms: number): void {
    this.counts.cuts += 1;
    this.counts[kind === 'reset' ? 'resets' : 'silences'] += 1;
    if (groups.length > 1) this.counts.of_both_groups += 1;
    this.counts.cut_off_ms += Math.round(ms);
  }

  /** A cut has the largest effect while entries are in flight. */
  private async untilInHand(groups: readonly Group[]): Promise<void> {
    await this.poll(IN_HAND_LIMIT_MS, async () => (await this.inHand(groups)).size > 0);
  }

  /** Nothing that a silent group sends arrives: what it does not hold any more, another has taken. */
  private async watchTakeOver(groups: readonly Group[]): Promise<void> {
    const held = await this.inHand(groups);
    let left = held.size;
    await this.poll(TAKE_OVER_LIMIT_MS, async () => {
      const holds = await this.inHand(groups);
      left = [...held].filter((id) => holds.has(id)).length;
      return left === 0;
    });
    this.counts.in_hand_at_silence += held.size;
    this.counts.taken_over_in_silence += held.size - left;
  }

  private async inHand(groups: readonly Group[]): Promise<Set<string>> {
    const consumers = groups.flatMap(({ brains }) => brains.map(({ consumer }) => consumer));
    const held = await Promise.all(consumers.map((consumer) => pendingOf(this.stage.store, consumer)));
    return new Set(held.flatMap((ids) => [...ids]));
  }

  private async poll(limitMs: number, condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + limitMs;
    while (!(await condition()) && performance.now() < deadline) await sleep(POLL_MS);
  }
}

/** Each group alone and both at once, by either kind of cut. */
function allCuts(groups: readonly Group[]): Cut[] {
  return [...groups.map((group) => [group]), groups].flatMap((cutOff) => [
    { groups: cutOff, kind: 'reset' },
    { groups: cutOff, kind: 'silence' },
  ]);
}
