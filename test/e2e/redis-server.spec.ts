import { Redis } from 'ioredis';
import { type RedisServer, startRedis } from '../support/redis-server.js';

/** Unlike `once` of node:events it outlives the errors that an outage brings. */
const next = (client: Redis, event: 'close' | 'ready'): Promise<void> =>
  new Promise((resolve) => {
    client.once(event, () => {
      resolve();
    });
  });

describe('The Redis of the tests', () => {
  let server: RedisServer;
  let client: Redis;

  // The first start on a machine fetches the server.
  beforeAll(async () => {
    server = await startRedis();
    client = new Redis(server.url, { retryStrategy: () => 20 });
    client.on('error', () => undefined);
  }, 180_000);

  afterAll(async () => {
    client.disconnect();
    await server.stop();
  });

  it('answers, is version 8 or newer, and has vector sets', async () => {
    expect(await client.ping()).toBe('PONG');
    expect(Number(server.version.split('.')[0])).toBeGreaterThanOrEqual(8);
    const key = `${server.keyPrefix}vectors`;
    expect(await client.call('VADD', key, 'VALUES', '2', '1', '0', 'east')).toBe(1);
    expect(await client.call('VSIM', key, 'VALUES', '2', '1', '0.1', 'COUNT', '1')).toEqual(['east']);
    await client.del(key);
  });

  it('is gone once killed, and has its data when it is back', async () => {
    const key = `${server.keyPrefix}kept`;
    await client.set(key, 'yes');
    const lost = next(client, 'close');
    await server.kill();
    await lost;
    const impatient = new Redis(server.url, { lazyConnect: true, retryStrategy: () => null });
    impatient.on('error', () => undefined);
    await expect(impatient.connect()).rejects.toThrow();
    const back = next(client, 'ready');
    await server.restart();
    await back;
    expect(await client.get(key)).toBe('yes');
    await client.del(key);
  });
});
