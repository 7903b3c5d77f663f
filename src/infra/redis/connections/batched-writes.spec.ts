import { jest } from '@jest/globals';
import { Redis } from 'ioredis';
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { FaultyRedis } from '../../../../test/support/faulty-redis.js';
import { batchWrites } from './batched-writes.js';

describe(batchWrites.name, () => {
  let server: FaultyRedis;
  let client: Redis;

  beforeEach(async () => {
    server = new FaultyRedis(() => '+OK\r\n');
    const port = await server.listen();
    const options = { protocol: 2, lazyConnect: true, enableReadyCheck: false, maxRetriesPerRequest: 0 } as const;
    client = new Redis(port, '127.0.0.1', options);
    batchWrites(client);
    await client.connect();
  });

  afterEach(() => {
    client.disconnect();
    server.close();
  });

  it('sends the commands of a turn in one write, in their order, and those of the next in another', async () => {
    const single = jest.spyOn(client.stream, '_write');
    const shared = jest.spyOn(client.stream as Required<typeof client.stream>, '_writev');

    const first = ['one', 'two', 'three'].map((value) => client.set('key', value));
    expect(shared).not.toHaveBeenCalled();
    await endOfTurn();
    const second = ['four', 'five'].map((value) => client.set('key', value));
    await Promise.all([...first, ...second]);

    expect(single).not.toHaveBeenCalled();
    const written = shared.mock.calls.map(([chunks]) => chunks.map(({ chunk }) => String(chunk)).join(''));
    expect(written.map((text) => text.match(/one|two|three|four|five/g))).toEqual([
      ['one', 'two', 'three'],
      ['four', 'five'],
    ]);
  });

  it('does so again on the next connection', async () => {
    client.disconnect(true);
    await new Promise((resolve) => client.once('ready', resolve));
    const single = jest.spyOn(client.stream, '_write');

    await Promise.all(['one', 'two'].map((value) => client.set('key', value)));

    expect(single).not.toHaveBeenCalled();
  });

  it('fails the commands that it holds when the connection is ended', async () => {
    const held = client.set('key', 'value');
    client.stream.destroy();

    await expect(held).rejects.toThrow(/closed|max/i);
  });
});
