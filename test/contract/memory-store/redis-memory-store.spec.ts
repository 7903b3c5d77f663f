import { TestCluster } from '../../support/redis-cluster.js';
import { type RedisServer, startRedis } from '../../support/redis-server.js';
import { describeMemoryStore } from './memory-store.contract.js';
import { describeRedisMemoryStore } from './memory-store.redis.js';
import { describeRedisMemoryFaults, describeRedisMemoryStoreOnOwnServer } from './memory-store.redis-faults.js';
import { makeRedisMemoryHarness } from './memory-store.redis-harness.js';

let server: RedisServer;
let cluster: TestCluster;

// The first start on a machine may have to fetch the server.
beforeAll(async () => {
  server = await startRedis();
  // Of one node, whose memory can be limited: it serves all slots, and refuses scripts whose keys lie on several.
  cluster = await TestCluster.start({ masters: 1 });
}, 180_000);

afterAll(async () => {
  await Promise.all([server.stop(), cluster.stop()]);
});

describeMemoryStore('Redis vector sets', async () => makeRedisMemoryHarness(server));
describeRedisMemoryStore(() => makeRedisMemoryHarness(server));
describeRedisMemoryFaults(() => makeRedisMemoryHarness(server));
describeRedisMemoryStoreOnOwnServer(() => makeRedisMemoryHarness(cluster));
