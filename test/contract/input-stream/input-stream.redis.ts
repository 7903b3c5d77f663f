import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { RedisConnections } from '../../../src/infra/redis/index.js';
import { newId } from '../../../src/shared/index.js';
import { RedisInputStream } from '../../../src/stream/adapters/redis/redis-input-stream.js';
import { type InputStream, StreamUnavailableError } from '../../../src/stream/index.js';
import { redisSettings } from '../../support/redis-settings.js';
import { entryOf, type RedisHarness } from './input-stream.redis-harness.js';

const LONG_MS = 60_000;
const never = new AbortController().signal;

/** A wire that can be made to carry nothing more without either end noticing: a host that vanished. */
class Wire {
  private readonly sockets: Socket[] = [];

  private constructor(
    private readonly server: Server,
    private readonly target: URL,
  ) {}

  static async to(url: string): Promise<Wire> {
    const target = new URL(url);
    const server = createServer();
    const wire = new Wire(server, target);
    server.on('connection', (near) => {
      const far = connect(Number(target.port), target.hostname);
      near.pipe(far).pipe(near);
      for (const socket of [near, far]) {
        socket.on('error', () => socket.destroy());
        wire.sockets.push(socket);
      }
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return wire;
  }

  get url(): string {
    const url = new URL(this.target);
    url.host = `127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return url.href;
  }

  /** Connections that exist fall silent; new ones work. */
  freeze(): void {
    for (const socket of this.sockets) socket.unpipe().pause();
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
  }
}

/** An entry as another program may append it. */
const foreignFields = (): Record<string, string> => ({
  id: newId(),
  message: 'foreign',
  timestamp: new Date().toISOString(),
  session_id: 's',
  role: 'user',
  context: '',
});

/** What only the Redis adapter has to do, beside the contract. */
export function describeRedisInputStream(makeHarness: () => Promise<RedisHarness>): void {
  describe(RedisInputStream.name, () => {
    let harness: RedisHarness;

    beforeEach(async () => {
      harness = await makeHarness();
    });

    afterEach(async () => {
      await harness.dispose();
    });

    it('forgets a user at the cost of what the user has, not of what waits in the stream', async () => {
      const sut = await harness.open('a');
      const costOf = async (others: number): Promise<{ commands: number; bytes: number }> => {
        await Promise.all(Array.from({ length: others }, (_, index) => sut.append(entryOf(`another ${index}`))));
        for (let i = 0; i < 10; i++) await sut.append({ ...entryOf('mine'), userId: 'bob' });
        const before = await harness.usage();
        expect(await sut.forget('bob')).toBe(10);
        const after = await harness.usage();
        return { commands: after.commands - before.commands, bytes: after.bytes - before.bytes };
      };
      await costOf(0);

      const small = await costOf(0);
      const large = await costOf(3_000);

      // What the server does by itself, and what asks for the usage, comes on top of either.
      expect(large.commands).toBeLessThan(small.commands + 20);
      expect(large.bytes).toBeLessThan(small.bytes + 20_000);
    });

    it('waits neither for what other programs append nor for what somebody deleted by hand', async () => {
      const sut = await harness.open('a');
      const deleted = entryOf('deleted');
      await sut.append(deleted);
      await harness.appendFields({ ...foreignFields(), user_id: 'ada' });
      await sut.append(entryOf('read'));
      const [gone] = await harness.outside.xrange(harness.key, '-', '+', 'COUNT', 1);
      await harness.outside.xdel(harness.key, gone![0]);

      const delivered = await sut.read({ count: 10, blockMs: 0, signal: never });

      expect(delivered.map(({ entry }) => entry.message)).toEqual(['foreign', 'read']);
      expect((await sut.earlier(delivered)).size).toBe(0);
      expect((await sut.earlier(delivered.slice(1))).size).toBe(0);
      expect(await harness.outside.zcard(harness.keys.index)).toBe(1);
    });

    it('keeps an index of what is there, and of nothing that is gone', async () => {
      const sut = await harness.open('a');
      for (const message of ['done', 'dead', 'dropped', 'requeued']) await sut.append(entryOf(message));
      const [done, ...bad] = await sut.read({ count: 4, blockMs: 0, signal: new AbortController().signal });
      await sut.acknowledge([done!]);
      for (const one of bad) await sut.deadLetter(one, 'bad');
      const deadLetters = await harness.openDeadLetters();
      const [, dropped, requeued] = await deadLetters.list({ limit: 10 });
      await deadLetters.drop(dropped!.handle);
      await deadLetters.requeue(requeued!.handle);

      const members = await harness.outside.zrange(harness.keys.index, '0', '-1');

      expect(members.map((member) => member.slice(0, 7))).toEqual(['d3:ada:', 'e3:ada:']);
      expect(await sut.forget('ada')).toBe(2);
      expect(await harness.outside.zrange(harness.keys.index, '0', '-1')).toEqual(['letters']);
    });

    it('finds dead letters that release 0.1.0 wrote', async () => {
      const sut = await harness.open('a');
      for (let i = 0; i < 3; i++) {
        await harness.outside.xadd(harness.keys.deadLetters, '*', 'user_id', i === 1 ? 'bob' : 'ada', 'error', 'bad');
      }

      expect(await sut.forget('ada')).toBe(2);

      expect(await harness.deadLetters()).toMatchObject([{ user_id: 'bob' }]);
    });

    it('stores the fields under the names that other programs read', async () => {
      const sut = await harness.open('a');
      const entry = entryOf('hello');

      await sut.append(entry);

      const [stored] = await harness.outside.xrange(harness.key, '-', '+');
      expect(stored?.[1]).toEqual([
        ...['id', entry.id, 'message', 'hello', 'timestamp', '2026-09-21T14:13:20.000Z'],
        ...['user_id', 'ada', 'session_id', 's-1', 'role', 'user', 'context', ''],
      ]);
    });

    it('makes stream and group anew when they are deleted, also under a waiting read', async () => {
      const sut = await harness.open('a');
      await sut.append(entryOf('gone'));
      await sut.read({ count: 10, blockMs: 0, signal: never });
      const reading = sut.read({ count: 10, blockMs: LONG_MS, signal: never });
      await pause(50);

      await harness.outside.del(harness.key);
      await sut.append(entryOf('after'));

      expect((await reading).map(({ entry }) => entry.message)).toEqual(['after']);
      expect(await sut.statistics()).toEqual({ lag: 0, pending: 1, deadLetters: 0 });
    });

    it('passes an entry that was deleted while it was pending', async () => {
      const crashed = await harness.open('a');
      await crashed.append(entryOf('deleted'));
      await crashed.append(entryOf('kept'));
      const [deleted] = await crashed.read({ count: 10, blockMs: 0, signal: never });
      await harness.outside.xdel(harness.key, deleted!.receipt);

      const sut = await harness.open('a');
      const delivered = await sut.read({ count: 10, blockMs: 0, signal: never });

      expect(delivered.map(({ entry }) => entry.message)).toEqual(['kept']);
      expect(await sut.statistics()).toEqual({ lag: 0, pending: 1, deadLetters: 0 });
    });

    it('survives a dead letter with more fields than a script can pass on', async () => {
      const sut = await harness.open('a');
      await harness.appendFields(Object.fromEntries(Array.from({ length: 6_000 }, (_, i) => [`field${i}`, 'x'])));
      await sut.append(entryOf('good'));

      const delivered = await sut.read({ count: 10, blockMs: 0, signal: never });

      expect(delivered.map(({ entry }) => entry.message)).toEqual(['good']);
      expect((await sut.statistics()).deadLetters).toBe(1);
    });

    it('bounds the record of known ids', async () => {
      const sut = await harness.open('a');
      await harness.outside.zadd(
        `${harness.key}:ids`,
        ...Array.from({ length: 50_000 }, (_, i) => [i, `old-${i}`]).flat(),
      );

      await sut.append(entryOf('new'));

      expect(await harness.outside.zcard(`${harness.key}:ids`)).toBe(50_000);
      expect(await harness.outside.zscore(`${harness.key}:ids`, 'old-0')).toBeNull();
    });

    it('does not record an id whose entry was refused', async () => {
      const sut = await harness.open('a');
      const entry = entryOf('refused at first');
      await harness.outside.set(harness.key, 'not a stream');

      await expect(sut.append(entry)).rejects.toThrow(StreamUnavailableError);
      await harness.outside.del(harness.key);
      await sut.append(entry);

      expect(await harness.storedEntries()).toBe(1);
    });

    it('shows no message in its errors, whatever prints them', async () => {
      const sut = await harness.open('a');
      await harness.outside.set(harness.key, 'not a stream');

      const error: unknown = await sut.append(entryOf('my secret')).catch((reason: unknown) => reason);

      const { inspect } = await import('node:util');
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('my secret');
      expect(inspect(error)).toContain('WRONGTYPE');
    });

    describe('consumers that are gone', () => {
      const namesOfConsumers = async (): Promise<string[]> => {
        const reply = (await harness.outside.xinfo('CONSUMERS', harness.key, 'workers')) as string[][];
        return reply.map(([, name = '']) => name).sort();
      };
      const readOnce = (stream: InputStream, count = 10) => stream.read({ count, blockMs: 0, signal: never });

      it('are removed from the group once they hold nothing, itself excepted', async () => {
        const goneAfterMs = 2_000;
        const sut = await harness.openTidy('self', goneAfterMs);
        const [holding, gone, busy] = [
          await harness.open('holding'),
          await harness.open('gone'),
          await harness.open('busy'),
        ];
        for (const name of ['held', 'done']) await sut.append(entryOf(name));
        await readOnce(holding, 1);
        await gone.acknowledge(await readOnce(gone, 1));
        await pause(goneAfterMs + 100);
        await readOnce(busy);

        await readOnce(sut);

        expect(await namesOfConsumers()).toEqual(['busy', 'holding', 'self']);
        expect(await sut.statistics()).toEqual({ lag: 0, pending: 1, deadLetters: 0 });
      });

      it('are made again when they come back', async () => {
        const sut = await harness.openTidy('self', 50);
        const away = await harness.open('away');
        await readOnce(away);
        await pause(100);
        await readOnce(sut);
        expect(await namesOfConsumers()).toEqual(['self']);

        await sut.append(entryOf('for whoever asks'));
        const delivered = await readOnce(away);

        expect(delivered.map(({ entry }) => entry.message)).toEqual(['for whoever asks']);
        await away.acknowledge(delivered);
        expect(await sut.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 0 });
      });

      it('stay for an hour at least, so that a pause is not taken for an end', async () => {
        const sut = await harness.open('self', { claimIdleMs: 100 });
        await readOnce(await harness.open('paused'));
        await pause(1_200);

        await readOnce(sut);

        expect(await namesOfConsumers()).toEqual(['paused', 'self']);
      });

      it('stay where the server forbids their removal, and reading goes on', async () => {
        const user = newId();
        await harness.outside.acl('SETUSER', user, 'on', 'nopass', '~*', '+@all', '-xgroup|delconsumer');
        const url = new URL(harness.url);
        url.username = user;
        url.password = 'any';
        const connections = new RedisConnections(redisSettings(url.href));
        try {
          await connections.open();
          await readOnce(await harness.open('gone'));
          await pause(100);
          const settings = {
            key: harness.key,
            group: 'workers',
            consumer: 'self',
          };
          const sut = new RedisInputStream(connections, { ...settings, claimIdleMs: 60_000 }, 50);
          await sut.append(entryOf('readable'));

          const delivered = await readOnce(sut);

          expect(delivered.map(({ entry }) => entry.message)).toEqual(['readable']);
          expect(await namesOfConsumers()).toEqual(['gone', 'self']);
        } finally {
          await connections.close();
          await harness.outside.acl('DELUSER', user);
        }
      });
    });

    it('ends a waiting read at once on abort where the server forbids to ask for it', async () => {
      const user = newId();
      await harness.outside.acl('SETUSER', user, 'on', 'nopass', '~*', '+@all', '-client|id', '-client|unblock');
      const connections = new RedisConnections(redisSettings(harness.url.replace('//', `//${user}:any@`)));
      try {
        await connections.open();
        const settings = { key: harness.key, group: 'workers', consumer: 'self', claimIdleMs: 60_000 };
        const sut = new RedisInputStream(connections, settings);
        const abort = new AbortController();
        const reading = sut.read({ count: 10, blockMs: LONG_MS, signal: abort.signal });
        await pause(100);
        const start = performance.now();

        abort.abort();

        expect(await reading).toEqual([]);
        expect(performance.now() - start).toBeLessThan(LONG_MS / 2);
        await sut.append(entryOf('afterwards'));
        expect(await untilRead(sut)).toEqual(['afterwards']);
      } finally {
        await connections.close();
        await harness.outside.acl('DELUSER', user);
      }
    });

    describe('behind a wire that falls silent', () => {
      let wire: Wire;
      let sut: RedisInputStream;
      let connections: RedisConnections;

      beforeEach(async () => {
        wire = await Wire.to(harness.url);
        connections = new RedisConnections(redisSettings(wire.url));
        await connections.open();
        sut = new RedisInputStream(connections, {
          key: harness.key,
          group: 'workers',
          consumer: 'a',
          claimIdleMs: 60_000,
        });
        await sut.check();
      });

      afterEach(async () => {
        await connections.close();
        wire.close();
      });

      it('still ends a waiting read at once on abort', async () => {
        const abort = new AbortController();
        const reading = sut.read({ count: 1, blockMs: LONG_MS, signal: abort.signal });
        await pause(50);
        wire.freeze();
        const start = performance.now();

        abort.abort();

        expect(await reading).toEqual([]);
        expect(performance.now() - start).toBeLessThan(LONG_MS / 2);
      });

      it('notices within seconds, connects anew and gives what was handed out into the silence', async () => {
        const reading = sut.read({ count: 10, blockMs: 300, signal: never });
        await pause(50);
        wire.freeze();
        const other = await harness.open('producer');
        await other.append(entryOf('lost on the way'));

        await expect(reading).rejects.toThrow(StreamUnavailableError);
        await expect(sut.append(entryOf('never sent'))).rejects.toThrow(StreamUnavailableError);

        const delivered = await untilRead(sut);
        expect(delivered).toEqual(['lost on the way']);
      });
    });
  });
}

async function untilRead(stream: RedisInputStream): Promise<string[]> {
  for (;;) {
    try {
      const delivered = await stream.read({ count: 10, blockMs: 500, signal: never });
      return delivered.map(({ entry }) => entry.message);
    } catch (error) {
      if (!(error instanceof StreamUnavailableError)) throw error;
      await pause(50);
    }
  }
}
