import { Logger } from '@nestjs/common';
import { inspect } from 'node:util';
import { RedisSessionStore } from '../../../src/sessions/adapters/redis/redis-session-store.js';
import { StoreRefusedError } from '../../../src/shared/index.js';
import type { RedisSessionHarness } from './session-store.redis-harness.js';

const HOUR_MS = 3_600_000;
const turns = [{ role: 'user', text: 'my secret', atMs: 1_790_000_000_123, isPrivate: false }] as const;

/** What only the Redis adapter has to do, beside the contract. */
export function describeRedisSessionStore(makeHarness: () => RedisSessionHarness): void {
  describe(RedisSessionStore.name, () => {
    let harness: RedisSessionHarness;

    beforeAll(() => {
      Logger.overrideLogger(false);
    });

    beforeEach(() => {
      harness = makeHarness();
    });

    afterEach(async () => {
      await harness.dispose();
    });

    it('stores turns as JSON, in a list of each session on the slot of the user', async () => {
      const { backing, open } = harness;
      await (await open()).append('ada {a}', 's:1', turns);

      const list = `${backing.keyPrefix}session:{ada%20%7Ba%7D}:s%3A1`;
      expect(await backing.allKeys()).toEqual([`${backing.keyPrefix}session:{ada%20%7Ba%7D}`, list]);
      expect(await backing.outside.lrange(list, 0, -1)).toEqual([
        '{"role":"user","text":"my secret","at_ms":1790000000123,"is_private":false}',
      ]);
    });

    it('leaves no key behind when it forgets, nor when all sessions have expired', async () => {
      const { backing, open } = harness;
      await (await open({ ttlMs: HOUR_MS })).append('ada', 's-1', turns);
      await (await open({ ttlMs: 2 * HOUR_MS })).append('ada', 's-2', turns);
      const sut = await open({ ttlMs: HOUR_MS });
      await sut.append('ada', 's-3', turns);

      // The index lives as long as the session that lives longest.
      const lifetimes = await Promise.all((await backing.allKeys()).map((key) => backing.outside.pttl(key)));
      expect(Math.max(...lifetimes)).toBe(lifetimes[0]);
      expect(lifetimes[0]).toBeGreaterThan(1.9 * HOUR_MS);
      expect(Math.min(...lifetimes)).toBeGreaterThan(0);

      expect(await sut.forget('ada', 'mark')).toBe(3);
      // The mark, which goes after a day.
      const mark = `${backing.keyPrefix}memory:{ada}:forget_mark`;
      expect(await backing.allKeys()).toEqual([mark]);
      expect(await backing.outside.pttl(mark)).toBeGreaterThan(23 * HOUR_MS);
    });

    it('takes what has expired out of the index', async () => {
      const { backing, open } = harness;
      const index = `${backing.keyPrefix}session:{ada}`;
      await backing.outside.zadd(index, String(Date.now() - 1_000), 'expired');

      await (await open()).append('ada', 's', turns);

      expect(await backing.outside.zrange(index, '0', '-1')).toEqual(['s']);
    });

    it.each(['session:{ada}', 'session:{ada}:s'])(
      'writes nothing of an append that fails, and shows no text in the error: %s',
      async (name) => {
        const { backing, open } = harness;
        const sut = await open();
        await backing.outside.set(backing.keyPrefix + name, 'of another type');
        const before = await backing.snapshot();

        const error: unknown = await sut.append('ada', 's', turns).catch((reason: unknown) => reason);

        expect(error).toBeInstanceOf(StoreRefusedError);
        expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('my secret');
        expect(inspect(error)).toContain('WRONGTYPE');
        expect(await backing.snapshot()).toEqual(before);
      },
    );
  });
}
