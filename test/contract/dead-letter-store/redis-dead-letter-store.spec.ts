import { startRedis } from '../../support/redis-server.js';
import { makeRedisHarness } from '../input-stream/input-stream.redis-harness.js';
import { describeDeadLetterStore } from './dead-letter-store.contract.js';

let server: Awaited<ReturnType<typeof startRedis>>;

// The first start on a machine may have to fetch the server.
beforeAll(async () => {
  server = await startRedis();
}, 180_000);

afterAll(async () => {
  await server.stop();
});

describeDeadLetterStore('Redis Streams', () => makeRedisHarness(server));
