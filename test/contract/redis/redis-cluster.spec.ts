import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { RedisConnections } from '../../../src/infra/redis/index.js';
import { RedisMemoryStore } from '../../../src/memory/adapters/redis/redis-memory-store.js';
import { RedisInputStream } from '../../../src/stream/adapters/redis/redis-input-stream.js';
import { TestCluster } from '../../support/redis-cluster.js';
import { redisSettings } from '../../support/redis-settings.js';
import { documentedUserRules } from '../../support/redis-user.js';
import { until } from '../../support/until.js';
import { describeDeadLetterStore } from '../dead-letter-store/dead-letter-store.contract.js';
import { describeInputStreamOnCluster } from '../input-stream/input-stream.cluster.js';
import { describeInputStream } from '../input-stream/input-stream.contract.js';
import { makeRedisHarness } from '../input-stream/input-stream.redis-harness.js';
import { describeMemoryStore } from '../memory-store/memory-store.contract.js';
import { describeRedisMemoryStore } from '../memory-store/memory-store.redis.js';
import { describeRedisMemoryFaults } from '../memory-store/memory-store.redis-faults.js';
import { TEST_LIMITS } from '../memory-store/memory-store.harness.js';
import { makeRedisMemoryHarness } from '../memory-store/memory-store.redis-harness.js';
import { describeSessionStore } from '../session-store/session-store.contract.js';
import { describeRedisSessionStore } from '../session-store/session-store.redis.js';
import { makeRedisSessionHarness } from '../session-store/session-store.redis-harness.js';

let cluster: TestCluster;

// The first start on a machine may have to fetch the server.
beforeAll(async () => {
  cluster = await TestCluster.start();
}, 180_000);

afterAll(async () => {
  await cluster.stop();
});

describeInputStream('Redis Cluster', () => makeRedisHarness(cluster));
describeInputStreamOnCluster(() => cluster);
describeDeadLetterStore('Redis Cluster', () => makeRedisHarness(cluster));
describeSessionStore('Redis Cluster', async () => makeRedisSessionHarness(cluster));
describeRedisSessionStore(() => makeRedisSessionHarness(cluster));
describeMemoryStore('Redis Cluster', async () => makeRedisMemoryHarness(cluster));
describeRedisMemoryStore(() => makeRedisMemoryHarness(cluster));
describeRedisMemoryFaults(() => makeRedisMemoryHarness(cluster));

it('takes the restricted user of docs/operations.md', async () => {
  const rules = documentedUserRules();
  for (const { client } of cluster.nodes) {
    await client.call('ACL', 'SETUSER', 'brain', ...rules);
    await client.call('ACL', 'LOG', 'RESET');
  }
  const url = cluster.url.replace('//', '//brain:PASSWORD@');
  const connections = new RedisConnections(redisSettings(url, cluster.environment));
  try {
    await connections.open();
    const settings = { key: 'session:restricted', group: 'workers', consumer: 'a', claimIdleMs: 60_000 };
    const stream = new RedisInputStream(connections, settings);
    const store = new RedisMemoryStore(connections, TEST_LIMITS);
    await connections.assertVectorSets();
    await store.check();
    await stream.check();
    expect(await stream.read({ count: 1, blockMs: 10, signal: new AbortController().signal })).toEqual([]);
    await Promise.all(['ada', 'bob', 'eve', 'joe'].map((userId) => store.forget(userId, 'mark')));

    const logs = await Promise.all(cluster.nodes.map(({ client }) => client.call('ACL', 'LOG')));
    expect(logs.flat()).toEqual([]);
  } finally {
    await connections.close();
  }
});

it('warns of every master that keeps nothing on disk, and of no other', async () => {
  const warn = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  const volatile = cluster.nodes.slice(1);
  const connections = new RedisConnections(redisSettings(cluster.url, cluster.environment));
  try {
    await Promise.all(volatile.map(({ client }) => client.config('SET', 'appendonly', 'no')));
    await connections.open();
    await until(() => warn.mock.calls.length >= volatile.length, 'the warnings');

    const texts = warn.mock.calls.map(([text]) => String(text)).sort();
    const expected = volatile.map(
      ({ address }) => expect.stringMatching(`keeps nothing on disk.*\\(${address}\\)`) as unknown,
    );
    expect(texts).toEqual(expect.arrayContaining(expected));
  } finally {
    await connections.close();
    await Promise.all(volatile.map(({ client }) => client.config('SET', 'appendonly', 'yes')));
    warn.mockRestore();
  }
});
