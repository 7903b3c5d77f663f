import { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { until } from '../support/until.js';
import { describeMemoryStore } from './memory-store.contract.js';
import { describeRedisMemoryStore, describeRedisMemoryStoreOnOwnServer } from './memory-store.redis.js';
import { makeRedisMemoryHarness } from './memory-store.redis-harness.js';

let server: RedisServer;
let clusterNode: RedisServer;

// The first start on a machine may have to fetch the server.
beforeAll(async () => {
  server = await startRedis();
  clusterNode = await startRedis({ config: { 'cluster-enabled': 'yes' } });
  await becomeCluster(clusterNode);
}, 180_000);

afterAll(async () => {
  await Promise.all([server.stop(), clusterNode.stop()]);
});

describeMemoryStore('Redis vector sets', async () => makeRedisMemoryHarness(server));
describeRedisMemoryStore(() => makeRedisMemoryHarness(server));
describeRedisMemoryStoreOnOwnServer(() => makeRedisMemoryHarness(clusterNode));

/** A cluster of one: it serves all slots, and refuses scripts whose keys lie on several. */
async function becomeCluster({ url }: RedisServer): Promise<void> {
  const client = new Redis(url, { protocol: 2 });
  await client.cluster('ADDSLOTSRANGE', 0, 16_383);
  await until(async () => (await client.cluster('INFO')).includes('cluster_state:ok'), 'the cluster is ready');
  client.disconnect();
}
