import { z } from 'zod';
import { ChildProgram } from '../../bench/load/child-program.js';
import { FixedLatencyVorpal } from '../../bench/load/fixed-latency-vorpal.js';
import { RedisConnections } from '../../src/infra/redis/index.js';
import { newId } from '../../src/shared/index.js';
import { RedisInputStream } from '../../src/stream/adapters/redis/redis-input-stream.js';
import type { StreamEntry } from '../../src/stream/index.js';
import { SeededRandom } from '../chaos/seeded-random.js';
import { readUsers, type UserState } from '../chaos/store-state.js';
import { connectOutside, redisSettings } from '../support/redis-settings.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';

const WORKERS = ['worker-a', 'worker-b'];
const MOST_SCORING_MS = 150;

const report = z.object({ processed: z.number() });

const entryOf = (userId: string, message: string): StreamEntry => ({
  id: newId(),
  message,
  timestampMs: Date.now(),
  userId,
  sessionId: 's',
  role: 'user',
  context: '',
  forgetMark: '',
});

describe('Two workers on one Redis', () => {
  let redis: RedisServer;
  let vorpal: FixedLatencyVorpal;
  let connections: RedisConnections;
  let stream: RedisInputStream;
  let outside: ReturnType<typeof connectOutside>;
  let workers: ChildProgram[];

  beforeEach(async () => {
    redis = await startRedis({ config: {} });
    const random = new SeededRandom(7);
    // Of two batches the later one is often scored first.
    const latencies = {
      chatMs: 0,
      get scoringMs() {
        return random.integer(0, MOST_SCORING_MS);
      },
    };
    vorpal = await FixedLatencyVorpal.start(latencies);
    connections = new RedisConnections(redisSettings(redis.url));
    await connections.open();
    const { key, group } = { key: 'session:input_stream', group: 'memory-workers' };
    stream = new RedisInputStream(connections, { key, group, consumer: 'test', claimIdleMs: 60_000 });
    outside = connectOutside(redis);
    workers = [];
  });

  afterEach(async () => {
    await Promise.all(workers.map((worker) => worker.end('SIGKILL')));
    outside.disconnect();
    await connections.close();
    vorpal.stop();
    await redis.stop();
  });

  /** What is in the stream by then is shared out between both. */
  async function start(environment: NodeJS.ProcessEnv = {}): Promise<void> {
    workers = WORKERS.map((name) =>
      ChildProgram.start('brain', {
        BRAIN_ROLE: 'worker',
        REDIS_URL: redis.url,
        VORPAL_URL: vorpal.url,
        EMBEDDINGS_URL: vorpal.url,
        STREAM_CONSUMER: name,
        WORKER_BATCH_SIZE: '3',
        ...environment,
      }),
    );
    await Promise.all(workers.map((worker) => worker.url()));
  }

  async function append(entries: readonly StreamEntry[]): Promise<void> {
    for (const entry of entries) await stream.append(entry);
  }

  async function workedOff(userIds: readonly string[]): Promise<UserState[]> {
    await until(async () => (await outside.xlen('session:input_stream')) === 0);
    return readUsers(outside as never, userIds);
  }

  async function processedByEach(): Promise<number[]> {
    return Promise.all(
      workers.map(async (worker) => {
        const response = await fetch(`${await worker.url()}/memory-worker`);
        return report.parse(await response.json()).processed;
      }),
    );
  }

  it('judge what each user says in its order', async () => {
    const users = ['ada', 'bob', 'eve'];
    const random = new SeededRandom(3);
    // Each text a few times in upper and lower case: the first one said is the memory, the others are counted for it.
    const entries = Array.from({ length: 300 }, () => {
      const text = `sentence number ${random.integer(1, 40)}`;
      return entryOf(random.pick(users), random.next() < 0.5 ? text : text.toUpperCase());
    });
    await start();
    await append(entries);

    for (const { userId, decisions, memories } of await workedOff(users)) {
      const said = entries.filter((entry) => entry.userId === userId);
      const byId = new Map(decisions.map((decision) => [decision.id, decision]));
      const times = said.map(({ id }) => byId.get(id)!.decidedAtMs);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      const firsts = new Map<string, StreamEntry>();
      for (const entry of said) {
        const text = entry.message.toLowerCase();
        expect(byId.get(entry.id)).toMatchObject({ kept: true, duplicateOf: firsts.get(text)?.id ?? null });
        if (!firsts.has(text)) firsts.set(text, entry);
      }
      expect([...memories.values()].map(({ text }) => text).sort()).toEqual(
        [...firsts.values()].map(({ message }) => message).sort(),
      );
    }
    for (const processed of await processedByEach()) expect(processed).toBeGreaterThan(30);
  });

  it('make one memory of one text that is said 500 times at once', async () => {
    await start();
    await Promise.all(Array.from({ length: 500 }, () => stream.append(entryOf('ada', 'Over and over again'))));

    const [ada] = await workedOff(['ada']);
    expect(ada!.decisions).toHaveLength(500);
    expect(ada!.messagesCounted).toBe(500);
    expect([...ada!.memories.values()].map(({ text }) => text)).toEqual(['Over and over again']);
    // The first is the memory itself.
    expect([...ada!.repetitions.values()]).toEqual([499]);
    for (const processed of await processedByEach()) expect(processed).toBeGreaterThan(0);
  });
});
