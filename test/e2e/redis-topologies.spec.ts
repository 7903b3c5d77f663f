import { FixedLatencyVorpal } from '../../bench/load/fixed-latency-vorpal.js';
import { TestBrain } from '../support/brain.js';
import { untilValue } from '../support/until.js';
import { TestCluster } from '../support/redis-cluster.js';
import { SentinelGroup } from '../support/redis-sentinel.js';

const USERS = Array.from({ length: 12 }, (_, index) => `user ${index}`);
const PAUSE_MS = 50;

/** People who chat with a brain, and what becomes of each of their messages. */
class Conversation {
  /** How many messages of each user were answered. */
  private readonly answered = new Map<string, number>();
  private count = 0;

  constructor(private readonly brain: TestBrain) {}

  async say(messages: number): Promise<void> {
    for (let index = 0; index < messages; index++) await this.sayOne();
  }

  /** Goes on with a little pause after each message, until `work` is done. */
  async during(work: Promise<void>): Promise<void> {
    let isDone = false;
    const finished = work.finally(() => {
      isDone = true;
    });
    finished.catch(() => undefined);
    while (!isDone) {
      await this.sayOne();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    await finished;
  }

  /** Resolves when everything that was said is decided on and acknowledged. @throws Error with the last report */
  async untilProcessed(): Promise<void> {
    await this.brain.workerUntil((report) => report.spooled === 0 && report.lag === 0 && report.pending === 0);
    expect(await this.brain.worker()).toMatchObject({ capture_failures: 0, dead_letters: 0 });
    const decided = await Promise.all(
      [...this.answered.keys()].map(async (user): Promise<[string, number]> => {
        const path = `/decisions?user_id=${encodeURIComponent(user)}&limit=1000`;
        const { body } = await this.brain.get<{ decisions: { id: string }[] }>(path);
        expect(new Set(body.decisions.map(({ id }) => id)).size).toBe(body.decisions.length);
        return [user, body.decisions.length];
      }),
    );
    expect(Object.fromEntries(decided)).toEqual(Object.fromEntries(this.answered));
  }

  private async sayOne(): Promise<void> {
    const user = USERS[this.count % USERS.length]!;
    const message = `Message ${this.count++} of ${user}`;
    const { status } = await this.brain.post('/chat', { message, user_id: user, session_id: 's' });
    expect(status).toBe(200);
    this.answered.set(user, (this.answered.get(user) ?? 0) + 1);
  }
}

describe('A brain', () => {
  let vorpal: FixedLatencyVorpal;
  let sut: TestBrain;
  let conversation: Conversation;

  beforeAll(async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 });
  });

  afterAll(() => {
    vorpal.stop();
  });

  async function startBrain(environment: NodeJS.ProcessEnv): Promise<void> {
    sut = await TestBrain.start({
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      WORKER_BACKOFF_MAX_MS: '500',
      // What a failing master held is given again soon.
      STREAM_CLAIM_IDLE_MS: '2000',
      ...environment,
    });
    conversation = new Conversation(sut);
    await sut.ready();
  }

  const untilHealthy = async (): Promise<void> => {
    await untilValue(
      () => sut.get('/health'),
      ({ status }) => status === 200,
      { details: () => sut.program.output() },
    );
  };

  describe('behind Sentinels', () => {
    let group: SentinelGroup;

    // The first start on a machine may have to fetch the server.
    beforeEach(async () => {
      group = await SentinelGroup.start();
      await startBrain(group.environment);
    }, 180_000);

    afterEach(async () => {
      await sut.dispose();
      await group.stop();
    });

    it('goes on with the new master when the old one is killed, and when the two change places', async () => {
      await conversation.say(24);
      await conversation.untilProcessed();
      const first = await group.master();
      const second = group.other(first);
      // Replication is asynchronous: what the replica has not got by now would be lost, whoever the client.
      await group.untilReplicated();

      await first.kill();
      await conversation.during(group.untilPromoted(second).then(untilHealthy));
      await conversation.untilProcessed();
      await sut.program.waitForLog(/^No connection to Redis at /);
      await sut.program.waitForLog(/^Messages go to the spool/);
      await sut.program.waitForLog(/^Connected to Redis at .* again/);

      await first.restart();
      await group.untilFollowing(first);
      await conversation.during(group.switchOver().then(() => group.untilPromoted(first)));
      await sut.program.waitForLog(/^No connection .* the Sentinels have made 127\.0\.0\.1:\d+ the master/);
      await untilHealthy();
      await conversation.say(12);
      await conversation.untilProcessed();

      expect(sut.program.output()).not.toMatch(/gu@rd|d@ta|d%40ta/);
      expect(sut.program.rawOutput).toEqual([]);
    });
  });

  describe('on a cluster', () => {
    let cluster: TestCluster;

    beforeEach(async () => {
      cluster = await TestCluster.start({ masters: 3, replicas: 3, nodeTimeoutMs: 4_000 });
      await startBrain(cluster.environment);
    }, 180_000);

    afterEach(async () => {
      await sut.dispose();
      await cluster.stop();
    });

    it('keeps what is said on all masters, and goes on with the replica of the one that is killed', async () => {
      await conversation.say(24);
      await conversation.untilProcessed();
      const sizes = await Promise.all(cluster.nodes.slice(0, 3).map(({ client }) => client.dbsize()));
      expect(Math.min(...sizes)).toBeGreaterThan(0);
      const owner = await cluster.ownerOf('session:input_stream');
      await cluster.untilReplicated();

      await owner.server.kill();
      await conversation.during(cluster.untilTakenOver(owner).then(untilHealthy));
      await conversation.say(12);
      await conversation.untilProcessed();
      await sut.program.waitForLog(/^No connection to Redis at /);
      await sut.program.waitForLog(/^Messages go to the spool/);
      await sut.program.waitForLog(/^Connected to Redis at .* again/);
      expect(sut.program.rawOutput).toEqual([]);
    });
  });
});
