import { startRedis } from '../../support/redis-server.js';
import { describeSessionStore } from './session-store.contract.js';
import { describeRedisSessionStore } from './session-store.redis.js';
import { makeRedisSessionHarness } from './session-store.redis-harness.js';

let server: Awaited<ReturnType<typeof startRedis>>;

// The first start on a machine may have to fetch the server.
beforeAll(async () => {
  server = await startRedis();
}, 180_000);

afterAll(async () => {
  await server.stop();
});

describeSessionStore('Redis lists', async () => makeRedisSessionHarness(server));
describeRedisSessionStore(() => makeRedisSessionHarness(server));
