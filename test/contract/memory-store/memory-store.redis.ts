import { Logger } from '@nestjs/common';
import { memoryKeys, type UserMemoryKeys } from '../../../src/infra/redis/index.js';
import { RedisMemoryStore } from '../../../src/memory/adapters/redis/redis-memory-store.js';

import { newId } from '../../../src/shared/index.js';
import {
  axis,
  idsOf,
  indexed,
  judgementOf,
  keep,
  listAll,
  memoryOf,
  numbered,
  OTHER_SPACE,
  range,
  search,
  SPACE,
  textsFound,
  textsOf,
} from './memory-store.fixtures.js';
import { fill, USER } from './memory-store.redis-filled.js';
import type { OpenedStore } from './memory-store.harness.js';
import type { RedisMemoryHarness } from './memory-store.redis-harness.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What only the Redis adapter has to do, beside the contract. */
export function describeRedisMemoryStore(makeHarness: () => RedisMemoryHarness): void {
  describe(RedisMemoryStore.name, () => {
    let harness: RedisMemoryHarness;
    let sut: OpenedStore;
    let keysOf: (userId: string) => UserMemoryKeys;
    let usersKey: string;

    beforeAll(() => {
      Logger.overrideLogger(false);
    });

    beforeEach(async () => {
      harness = makeHarness();
      const keys = memoryKeys(harness.backing.keyPrefix);
      keysOf = (userId) => keys.ofUser(userId);
      usersKey = keys.users;
      sut = await harness.open();
      await sut.claimSpace(SPACE);
    });

    afterEach(async () => {
      await harness.dispose();
    });

    const keysLeft = async (): Promise<string[]> =>
      (await harness.backing.allKeys()).filter((key) => key.includes('{ada')).sort();

    it('finds the server fit to hold memories', async () => {
      const connections = await harness.backing.connect();

      await expect(connections.assertVectorSets()).resolves.toBeUndefined();
    });

    it('stores a memory as JSON under the names that other programs read', async () => {
      const { pinned } = await fill(sut);

      const body = await harness.backing.outside.hget(keysOf(USER).items, pinned.id);

      expect(JSON.parse(body ?? '')).toMatchObject({
        v: 2,
        text: 'pinned and recalled',
        session_id: 's-1',
        role: 'user',
        created_at_ms: pinned.createdAtMs,
        information_nats: 101.25,
        source: 'worker',
        metadata: {},
        context: '',
        is_question: false,
      });
    });

    it('leaves no term and nothing else of memories that are deleted', async () => {
      await fill(sut);
      const { decisions, decisionTimes, statistics, totals } = keysOf(USER);

      for (const { id } of await listAll(sut, USER)) expect(await sut.delete(USER, id)).toBe(true);

      expect(await keysLeft()).toEqual([decisions, decisionTimes, statistics, totals].sort());
      expect(await sut.usage(USER)).toEqual({ memories: 0, bytes: 0, pinned: 0, pinnedBytes: 0 });
    });

    it('leaves nothing of a user whom it forgets but the mark, which lasts a day', async () => {
      const { backing } = harness;
      await fill(sut, 'bob');
      const others = await backing.snapshot();
      await fill(sut);
      await sut.put(USER, numbered(300, { userId: USER }));
      await leaveShadow('left over', Date.now() + HOUR_MS);
      // A move to another space that was given up, one that is under way, and a process that died before it had cleaned
      // up.
      for (const space of [{ model: 'given up', dimensions: 6 }, OTHER_SPACE]) {
        await sut.reembedding.begin(space);
        const pending = await sut.reembedding.pending(100);
        const ofUser = pending.filter(({ userId }) => userId === USER);
        await sut.reembedding.put(ofUser.map((item) => ({ ...item, vector: axis(0, 6) })));
      }
      await backing.outside.hset(memoryKeys(backing.keyPrefix).spaces, 'abandoned:77', 1);
      await backing.outside.call('VADD', keysOf(USER).vectors(77), 'VALUES', 1, 1, 'left behind');
      await backing.outside.call('VADD', keysOf(USER).shadow.vectors(77), 'VALUES', 1, 1, 'left behind');

      await sut.forget(USER, 'mark');

      const { forgetMark } = keysOf(USER);
      expect(await keysLeft()).toEqual([forgetMark]);
      expect(await backing.outside.pttl(forgetMark)).toBeGreaterThan(DAY_MS - 60_000);
      expect(await backing.outside.pttl(forgetMark)).toBeLessThanOrEqual(DAY_MS);
      expect(await backing.outside.smembers(usersKey)).toEqual(['bob']);
      const left = await backing.snapshot();
      for (const key of Object.keys(others).filter((name) => name.includes('{bob}'))) {
        if (!key.includes('vectors')) expect(left[key]).toBe(others[key]);
      }
    });

    it('does not list a forgotten user again for a message that comes too late', async () => {
      await fill(sut);
      await sut.forget(USER, 'mark');

      const late = judgementOf(keep(indexed('late', axis(0), { userId: USER })));
      expect(await sut.record(late)).toBe('forgotten');

      expect(await harness.backing.outside.smembers(usersKey)).toEqual([]);
    });

    it('lists a user again who was forgotten between the look for the nearest memory and the judgement', async () => {
      await fill(sut);
      await sut.forget(USER, 'mark');

      await sut.record(
        judgementOf(keep(indexed('said after it', axis(0), { userId: USER })), {
          forgetMark: 'mark',
          decision: { nearestId: newId() },
        }),
      );

      expect(await harness.backing.outside.smembers(usersKey)).toEqual([USER]);
    });

    it('keeps a frequent term in several small sets, and finds by all of them', async () => {
      await sut.put(USER, numbered(300, { userId: USER }));
      const { term, terms } = keysOf(USER);
      const { outside } = harness.backing;

      expect(await outside.hget(terms, 'memory')).toBe('3');
      expect(await outside.zcard(`${term}:0:memory`)).toBe(128);
      expect(await sut.candidates(USER, { terms: ['memory'], limit: 1_000 })).toHaveLength(300);
      expect(textsFound(await sut.candidates(USER, { terms: ['memory', '271'], limit: 1 }))).toEqual(['memory 271']);

      const some = (await listAll(sut, USER)).slice(0, 200);
      for (const { id } of some) await sut.delete(USER, id);
      await sut.put(
        USER,
        numbered(28, { userId: USER }).map((one) => ({ ...one, digest: newId() })),
      );

      // New ones take the places of those that are gone.
      expect(await outside.hget(terms, 'memory')).toBe('1');
      expect(await sut.candidates(USER, { terms: ['memory'], limit: 1_000 })).toHaveLength(128);
    });

    it('finds what was added behind it while it goes through the users', async () => {
      const users = range(70).map((index) => `user ${index}`);
      await Promise.all(users.map((userId) => sut.put(userId, [indexed('old', axis(0), { userId })])));
      const other = await harness.open();
      await sut.reembedding.begin(OTHER_SPACE);
      const seen: string[] = [];

      for (let page = 0; ; page++) {
        const pending = await sut.reembedding.pending(9);
        if (pending.length === 0) break;
        seen.push(...pending.map(({ userId, text }) => `${userId} ${text}`));
        await sut.reembedding.put(pending.map((item) => ({ ...item, vector: axis(0, 6) })));
        if (page === 3) {
          await Promise.all(users.map((userId) => other.put(userId, [indexed('new', axis(0), { userId })])));
        }
      }

      expect(seen.sort()).toEqual(users.flatMap((userId) => [`${userId} new`, `${userId} old`]).sort());
      expect(await sut.reembedding.progress()).toEqual({ total: 140, done: 140 });
    });

    it('goes through a user with more memories than one look takes in', async () => {
      await sut.put(USER, numbered(1_200, { userId: USER }));
      await sut.reembedding.begin(OTHER_SPACE);
      const all = await sut.reembedding.pending(10_000);
      expect(all).toHaveLength(1_200);
      await sut.reembedding.put(all.slice(0, 1_150).map((item) => ({ ...item, vector: axis(0, 6) })));

      const left = await sut.reembedding.pending(10_000);
      expect(idsOf(left).sort()).toEqual(idsOf(all.slice(1_150)).sort());
      expect(await sut.reembedding.progress()).toEqual({ total: 1_200, done: 1_150 });
    });

    /** An entry of the shadow buffer as release 0.1.0 wrote it. */
    async function leaveShadow(text: string, expiresAtMs: number): Promise<string> {
      const { shadow } = keysOf(USER);
      const { outside } = harness.backing;
      const { id, createdAtMs } = memoryOf(text);
      const numbers = { perplexity: 33.1, avg_logprob: -3.5, novelty: 0.5, surprise: 0.2, model: 'llm-a' };
      const body = {
        ...{ text, session_id: null, role: 'user', created_at_ms: createdAtMs, ...numbers },
        ...{ source: 'worker', metadata: {}, count: 1, last_seen_at_ms: createdAtMs },
      };
      await outside.call('VADD', shadow.vectors(1), 'VALUES', 8, ...axis(3), id);
      await outside.hset(shadow.items, id, JSON.stringify(body));
      await outside.zadd(shadow.ids, 0, id);
      await outside.zadd(shadow.expiry, expiresAtMs, id);
      await outside.sadd(usersKey, USER);
      return id;
    }

    it('makes memories of the entries in the shadow buffer of an older release, and drops expired ones', async () => {
      const waiting = await leaveShadow('waiting', Date.now() + HOUR_MS);
      await leaveShadow('expired', Date.now() - 1);
      await leaveShadow('Said  again', Date.now() + HOUR_MS);
      const said = indexed('said again', axis(0), { userId: USER });
      await sut.put(USER, [said]);
      expect(await sut.reindexing.progress()).toEqual({ total: 3, done: 1 });

      for (;;) {
        const pending = await sut.reindexing.pending(1);
        if (pending.length === 0) break;
        await sut.reindexing.put(pending.map((memory) => ({ ...indexed(memory.text), memory })));
      }

      expect(await sut.reindexing.progress()).toEqual({ total: 2, done: 2 });
      expect(textsOf(await listAll(sut, USER)).sort()).toEqual(['said again', 'waiting']);
      expect(await sut.get(USER, said.memory.id)).toMatchObject({ count: 2 });
      expect((await search(sut, USER, axis(3)))[0]).toMatchObject({
        memory: { id: waiting },
        cosine: expect.closeTo(1, 1) as number,
      });
      expect(textsFound(await sut.candidates(USER, { terms: ['waiting'], limit: 5 }))).toEqual(['waiting']);
      expect((await keysLeft()).filter((key) => key.includes('shadow'))).toEqual([]);
    });
  });
}
