import { Redis } from 'ioredis';
import { memoryKeys } from '../../src/infra/redis/index.js';
import { TestBrain } from '../support/brain.js';
import { untilValue } from '../support/until.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { StubVorpal } from '../support/stub-vorpal.js';

const LIMIT_MS = 180_000;

interface Letters {
  dead_letters: { user_id: string | null; error: string }[];
}

describe('keys that are broken for some users alone', () => {
  let vorpal: StubVorpal;
  let redis: RedisServer;
  let outside: Redis;
  let sut: TestBrain;

  beforeAll(async () => {
    vorpal = await StubVorpal.start();
    redis = await startRedis();
    outside = new Redis(redis.url);
    sut = await TestBrain.start({
      REDIS_URL: redis.url,
      STREAM_KEY: `${redis.keyPrefix}broken`,
      REDIS_KEY_PREFIX: redis.keyPrefix,
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      STREAM_MAX_ATTEMPTS: '2',
      STREAM_CLAIM_IDLE_MS: '1000',
      RECALL_TIMEOUT_MS: '30000',
    });
  }, LIMIT_MS);

  afterAll(async () => {
    await sut.dispose();
    outside.disconnect();
    await redis.stop();
    await vorpal.stop();
  });

  const say = async (message: string, user: string): Promise<void> => {
    expect((await sut.post('/chat', { message, user_id: user })).status).toBe(200);
  };
  const decisionsOf = async (user: string): Promise<number> =>
    (await sut.get<{ decisions: unknown[] }>(`/decisions?user_id=${user}`)).body.decisions.length;

  it(
    'send what their users say to the dead letters, and hold up nobody else',
    async () => {
      // Has the store claim its space.
      await sut.post('/memories', { text: 'A first memory', user_id: 'first' });
      const keys = memoryKeys(redis.keyPrefix);
      await outside.set(keys.ofUser('wrong type').vectors(1), 'not a vector set');
      const vectors = keys.ofUser('wrong dimensions').vectors(1);
      await outside.call('VADD', vectors, 'VALUES', 3, 1, 0, 0, 'of another model');

      await say('Nobody can keep this.', 'wrong type');
      await say('Nor this.', 'wrong dimensions');
      await outside.xadd(
        `${redis.keyPrefix}broken`,
        '*',
        ...['id', 'foreign-1', 'message', 'of nobody', 'timestamp', '2026-01-01T00:00:00.000Z', 'user_id', ''],
        ...['session_id', 's', 'role', 'user', 'context', ''],
      );
      await say('This is kept meanwhile.', 'bob');

      await untilValue(
        () => decisionsOf('bob'),
        (count) => count >= 1,
        { timeoutMs: LIMIT_MS, details: () => sut.program.output() },
      );
      const { state } = await sut.workerUntil(({ dead_letters: dead }) => (dead ?? 0) >= 3, LIMIT_MS);
      expect(state).toBe('running');
      const { body } = await sut.get<Letters>('/dead-letters');
      const reasons = Object.fromEntries(body.dead_letters.map(({ user_id: user, error }) => [user ?? '', error]));
      expect(reasons).toEqual({
        'wrong type': expect.stringContaining('WRONGTYPE') as string,
        'wrong dimensions': expect.stringContaining('dimension mismatch') as string,
        '': expect.stringContaining('user_id') as string,
      });

      await say('And this afterwards.', 'bob');
      await untilValue(
        () => decisionsOf('bob'),
        (count) => count >= 2,
        { timeoutMs: LIMIT_MS },
      );
    },
    LIMIT_MS,
  );

  it(
    'or records that cannot be read take nothing else from their user, and are named by health and metrics',
    async () => {
      const add = async (text: string): Promise<string> =>
        (await sut.post<{ id: string }>('/memories', { text, user_id: 'eve' })).body.id;
      const id = await add('damaged');
      await add('sound');
      await outside.hset(memoryKeys(redis.keyPrefix).ofUser('eve').items, id, '{"v":3,"text":"of a newer version"}');

      const list = await sut.get<{ memories: { text: string }[] }>('/memories?user_id=eve');
      const chat = await sut.post<{ memories: { text: string }[] | null }>('/chat', { message: 'Hi', user_id: 'eve' });
      const health = await sut.get<{ details: { memory: Record<string, unknown> } }>('/health');
      const metrics = await sut.get<string>('/metrics');

      expect(list.body.memories.map(({ text }) => text)).toEqual(['sound']);
      expect(chat.body.memories?.map(({ text }) => text)).toEqual(['sound']);
      expect(health.body.details.memory).toMatchObject({ undecodable_records: 1, last_undecodable: `memory ${id}` });
      expect(metrics.body).toContain('archive_brain_undecodable_records 1');
      expect(sut.program.output().split(id).length - 1).toBeGreaterThanOrEqual(1);
    },
    LIMIT_MS,
  );
});
