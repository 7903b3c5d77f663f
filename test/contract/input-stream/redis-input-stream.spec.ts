import { startRedis } from '../../support/redis-server.js';
import { describeInputStream } from './input-stream.contract.js';
import { describeRedisInputStream } from './input-stream.redis.js';
import { makeRedisHarness } from './input-stream.redis-harness.js';

let server: Awaited<ReturnType<typeof startRedis>>;

// The first start on a machine may have to fetch the server.
beforeAll(async () => {
  server = await startRedis();
}, 180_000);

afterAll(async () => {
  await server.stop();
});

describeInputStream('Redis Streams', () => makeRedisHarness(server));
describeRedisInputStream(() => makeRedisHarness(server));
