import { Logger } from '@nestjs/common';
import { inspect } from 'node:util';
import { memoryKeys, type UserMemoryKeys } from '../../../src/infra/redis/index.js';
import { RedisMemoryStore } from '../../../src/memory/adapters/redis-memory-store.js';
import { MemoryStoreUnavailableError } from '../../../src/memory/memory.errors.js';
import type { Decision, EmbeddingSpace, Memory } from '../../../src/memory/memory.js';
import type { Effect, EmbeddedMemory, Judgement, MemoryStore } from '../../../src/memory/memory-store.port.js';
import { newId, StoreRefusedError } from '../../../src/shared/index.js';
import type { RedisMemoryHarness } from './memory-store.redis-harness.js';

const SPACE: EmbeddingSpace = { model: 'embedder-a', dimensions: 4 };
const OTHER_SPACE: EmbeddingSpace = { model: 'embedder-b', dimensions: 3 };
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const AT_MS = 1_790_000_000_123;
const USER = 'ada {a}';

const axis = (index: number, dimensions = 4): Float32Array =>
  new Float32Array(dimensions).map((_, i) => (i === index % dimensions ? 1 : 0));

function embedded(text: string, userId = USER): EmbeddedMemory {
  const memory: Memory = {
    id: newId(),
    text,
    userId,
    sessionId: 's-1',
    role: 'user',
    createdAtMs: AT_MS,
    perplexity: 33.1,
    avgLogprob: -3.5,
    novelty: 0.5,
    surprise: 0.75,
    model: 'llm-a',
    source: 'worker',
    metadata: {},
    count: 1,
    lastSeenAtMs: AT_MS,
  };
  return { memory, vector: axis(0) };
}

function judgementOf(effect: Effect, userId = USER): Judgement {
  const decision: Decision = {
    id: newId(),
    userId,
    sessionId: 's-1',
    decidedAtMs: AT_MS,
    model: 'llm-a',
    perplexity: 33.1,
    informationNats: 101.25,
    contextual: false,
    plainPerplexity: null,
    novelty: 0.5,
    nearestId: null,
    surprise: 0.75,
    threshold: 0.7,
    mode: 'fixed',
    kept: effect.kind === 'keep',
    reason: 'because',
  };
  const statistics = [{ model: 'llm-a', decay: 0.5, addends: [1, 2] }];
  return { decision, forgetMark: '', effect, statistics };
}

const shadow = (memory: EmbeddedMemory, expiresAtMs = Date.now() + HOUR_MS): Effect => ({
  kind: 'shadow',
  memory,
  expiresAtMs,
});

/** Leaves something under every key that a user can have. */
async function fill(sut: MemoryStore, userId = USER): Promise<{ kept: Memory; waiting: Memory }> {
  const [kept, waiting] = [embedded('kept', userId), embedded('waiting', userId)];
  await sut.put(userId, [kept]);
  await sut.record(judgementOf(shadow(waiting), userId));
  await sut.record(judgementOf({ kind: 'strengthen', id: kept.memory.id, seenAtMs: AT_MS + 1 }, userId));
  return { kept: kept.memory, waiting: waiting.memory };
}

/** What only the Redis adapter has to do, beside the contract. */
export function describeRedisMemoryStore(makeHarness: () => RedisMemoryHarness): void {
  describe(RedisMemoryStore.name, () => {
    let harness: RedisMemoryHarness;
    let sut: MemoryStore;
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

    it('finds the server fit to hold memories', async () => {
      const connections = await harness.backing.connect();

      await expect(connections.assertVectorSets()).resolves.toBeUndefined();
    });

    it('stores a memory as JSON under the names that other programs read', async () => {
      const { kept } = await fill(sut);

      const body = await harness.backing.outside.hget(keysOf(USER).memory.items, kept.id);

      expect(JSON.parse(body!)).toEqual({
        v: 1,
        text: 'kept',
        session_id: 's-1',
        role: 'user',
        created_at_ms: AT_MS,
        perplexity: 33.1,
        avg_logprob: -3.5,
        novelty: 0.5,
        surprise: 0.75,
        model: 'llm-a',
        source: 'worker',
        metadata: {},
        count: 1,
        last_seen_at_ms: AT_MS,
      });
    });

    it('leaves nothing of a user whom it forgets but the mark, which lasts a day', async () => {
      const { backing } = harness;
      await fill(sut, 'bob');
      const others = await backing.snapshot();
      await fill(sut);
      // A move to another space that was given up, one that is under way, and a process that died before it had cleaned up.
      for (const space of [{ model: 'given up', dimensions: 3 }, OTHER_SPACE]) {
        await sut.beginReembedding(space);
        const pending = await sut.pendingReembedding(100);
        const ofUser = pending.filter(({ userId }) => userId === USER);
        await sut.putReembedded(ofUser.map((item) => ({ ...item, vector: axis(0, 3) })));
      }
      await backing.outside.hset(memoryKeys(backing.keyPrefix).spaces, 'abandoned:77', 1);
      await backing.outside.call('VADD', keysOf(USER).memory.vectors(77), 'VALUES', 1, 1, 'left behind');

      await sut.forget(USER, 'mark');

      const { forgetMark } = keysOf(USER);
      const left = await backing.snapshot();
      expect(Object.keys(left).filter((key) => key.includes('{ada'))).toEqual([forgetMark]);
      expect(await backing.outside.pttl(forgetMark)).toBeGreaterThan(DAY_MS - 60_000);
      expect(await backing.outside.pttl(forgetMark)).toBeLessThanOrEqual(DAY_MS);
      expect(await backing.outside.smembers(usersKey)).toEqual(['bob']);
      for (const key of Object.keys(others).filter((name) => name.includes('{bob}'))) {
        expect(left[key]).toBe(others[key]);
      }
    });

    it('does not list a forgotten user again for a message that comes too late', async () => {
      await fill(sut);
      await sut.forget(USER, 'mark');

      expect(await sut.record(judgementOf({ kind: 'keep', memory: embedded('late') }))).toBe('forgotten');

      expect(await harness.backing.outside.smembers(usersKey)).toEqual([]);
    });

    it.each([3, 400])('finds the nearest of %d memories', async (count) => {
      const others = Array.from({ length: count - 1 }, () => embedded('another'));
      const nearest = { ...embedded('the nearest'), vector: axis(2) };
      await sut.put(USER, [...others, nearest]);

      expect(await sut.nearest(USER, axis(2))).toEqual({ id: nearest.memory.id, similarity: expect.closeTo(1, 2) });
    });

    it('lists a user again who was forgotten between the look for the nearest memory and the judgement', async () => {
      await fill(sut);
      await sut.forget(USER, 'mark');
      const { decision, ...judgement } = judgementOf({ kind: 'keep', memory: embedded('said after it') });

      await sut.record({ ...judgement, forgetMark: 'mark', decision: { ...decision, nearestId: newId() } });

      expect(await harness.backing.outside.smembers(usersKey)).toEqual([USER]);
    });

    it('lets the shadow buffer of a user who does not come back vanish with its last entry', async () => {
      const { outside } = harness.backing;
      const { shadow: buffer, shadowExpiry, memory } = keysOf(USER);
      for (const hours of [1, 3, 2])
        await sut.record(judgementOf(shadow(embedded('waiting'), Date.now() + hours * HOUR_MS)));
      await sut.beginReembedding(OTHER_SPACE);
      const pending = await sut.pendingReembedding(100);
      await sut.putReembedded(pending.map((item) => ({ ...item, vector: axis(0, 3) })));
      await sut.put(USER, [embedded('kept')]);

      const keys = [buffer.ids, buffer.items, shadowExpiry, buffer.vectors(1), buffer.vectors(2)];
      const lifetimes = await Promise.all(keys.map((key) => outside.pexpiretime(key)));

      expect(new Set(lifetimes).size).toBe(1);
      expect(lifetimes[0]).toBeGreaterThan(Date.now() + 2.9 * HOUR_MS);
      for (const key of [memory.ids, memory.items, memory.vectors(1)]) expect(await outside.pttl(key)).toBe(-1);
    });

    it('removes what has expired with the next message, and drops the vectors of a finished move', async () => {
      const { outside } = harness.backing;
      await sut.record(judgementOf(shadow(embedded('expired'), Date.now() - 1)));
      const entry = embedded('waiting');
      // Has the keys live on, as with an entry that expires later.
      await sut.record(judgementOf(shadow(entry)));
      await outside.zadd(keysOf(USER).shadowExpiry, Date.now() - 1, entry.memory.id);

      await sut.record(judgementOf({ kind: 'keep', memory: embedded('kept') }));

      const { shadow: buffer, memory } = keysOf(USER);
      expect(await outside.exists(buffer.ids, buffer.items, buffer.vectors(1))).toBe(0);
      await sut.beginReembedding(OTHER_SPACE);
      const pending = await sut.pendingReembedding(100);
      await sut.putReembedded(pending.map((item) => ({ ...item, vector: axis(0, 3) })));
      expect(await outside.exists(memory.vectors(1), memory.vectors(2))).toBe(2);
      await sut.finishReembedding();
      expect(await outside.exists(memory.vectors(1), memory.vectors(2))).toBe(1);
    });

    it('finds what was added behind it while it goes through the users', async () => {
      const users = Array.from({ length: 70 }, (_, index) => `user ${index}`);
      await Promise.all(users.map((userId) => sut.put(userId, [embedded('old', userId)])));
      const other = await harness.open();
      await sut.beginReembedding(OTHER_SPACE);
      const seen: string[] = [];

      for (let page = 0; ; page++) {
        const pending = await sut.pendingReembedding(9);
        if (pending.length === 0) break;
        seen.push(...pending.map(({ userId, text }) => `${userId} ${text}`));
        await sut.putReembedded(pending.map((item) => ({ ...item, vector: axis(0, 3) })));
        if (page === 3) await Promise.all(users.map((userId) => other.put(userId, [embedded('new', userId)])));
      }

      expect(seen.sort()).toEqual(users.flatMap((userId) => [`${userId} new`, `${userId} old`]).sort());
      expect(await sut.reembeddingProgress()).toEqual({ total: 140, done: 140 });
    });

    it('goes through a user with more memories than one look takes in', async () => {
      const many = Array.from({ length: 1_200 }, (_, index) => embedded(`memory ${index}`));
      await sut.put(USER, many);
      await sut.beginReembedding(OTHER_SPACE);
      const all = await sut.pendingReembedding(10_000);
      expect(all).toHaveLength(1_200);
      // By id, so those that are left lie beyond the first look.
      await sut.putReembedded(all.slice(0, 1_150).map((item) => ({ ...item, vector: axis(0, 3) })));

      expect(await sut.pendingReembedding(10_000)).toEqual(all.slice(1_150));
      expect(await sut.reembeddingProgress()).toEqual({ total: 1_200, done: 1_150 });
    });

    it.each(
      Object.entries({
        ids: ({ memory }) => memory.ids,
        items: ({ memory }) => memory.items,
        vectors: ({ memory }) => memory.vectors(1),
        repetitions: ({ repetitions }) => repetitions,
        'last seen': ({ lastSeen }) => lastSeen,
        'shadow ids': ({ shadow: { ids } }) => ids,
        'shadow items': ({ shadow: { items } }) => items,
        'shadow vectors': ({ shadow: { vectors } }) => vectors(1),
        'shadow expiry': ({ shadowExpiry }) => shadowExpiry,
        decisions: ({ decisions }) => decisions,
        'decision times': ({ decisionTimes }) => decisionTimes,
        statistics: ({ statistics }) => statistics,
        'forget mark': ({ forgetMark }) => forgetMark,
      } satisfies Record<string, (keys: UserMemoryKeys) => string>),
    )('writes nothing of a change that fails, and shows no text in the error: %s', async (_, keyIn) => {
      const { backing } = harness;
      const { kept, waiting } = await fill(sut);
      const key = keyIn(keysOf(USER));
      await backing.outside.del(key);
      await backing.outside.xadd(key, '*', 'of', 'another type');
      const before = await backing.snapshot();

      const again: Effect = { kind: 'strengthen', id: kept.id, seenAtMs: AT_MS + 2 };
      for (const change of [
        () => sut.put(USER, [embedded('my secret')]),
        () => sut.record(judgementOf({ kind: 'keep', memory: embedded('my secret') })),
        () => sut.record(judgementOf(shadow(embedded('my secret')))),
        () => sut.record(judgementOf(again)),
        () => sut.promote(USER, waiting.id, axis(0)),
        () => sut.delete(USER, kept.id),
      ]) {
        const error: unknown = await change().catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(StoreRefusedError);
        expect(inspect(error, { depth: 10, showHidden: true })).not.toContain('my secret');
        expect(inspect(error)).toContain('WRONGTYPE');
      }

      expect(await backing.snapshot()).toEqual(before);

      await sut.forget(USER, 'mark');
      expect(Object.keys(await backing.snapshot()).filter((left) => left.includes('{ada'))).toEqual([
        keysOf(USER).forgetMark,
      ]);
    });

    it('takes broken keys of one user for nobody else', async () => {
      await sut.put('bob', [embedded('of another', 'bob')]);
      await harness.backing.outside.set(keysOf(USER).memory.vectors(1), 'not a vector set');

      await expect(sut.nearest(USER, axis(0))).rejects.toThrow(StoreRefusedError);

      expect(await sut.nearest('bob', axis(0))).toMatchObject({ similarity: expect.closeTo(1, 2) as number });
      const { decision, ...judgement } = judgementOf({ kind: 'keep', memory: embedded('more', 'bob') }, 'bob');
      expect(await sut.record({ ...judgement, decision })).toBe('recorded');
    });

    it.each(['space', 'users'])('takes the shared key memory:%s for an outage where it is broken', async (name) => {
      const key = `${harness.backing.keyPrefix}memory:${name}`;
      await harness.backing.outside.del(key);
      await harness.backing.outside.set(key, 'of another type');
      const other = await harness.open();

      const error: unknown = await other.put(USER, [embedded('mine')]).catch((reason: unknown) => reason);

      expect(error).toBeInstanceOf(MemoryStoreUnavailableError);
      expect(inspect(error)).toContain('WRONGTYPE');
    });

    it('takes a description of the embedding spaces that nobody can read for an outage', async () => {
      await harness.backing.outside.hset(memoryKeys(harness.backing.keyPrefix).spaces, 'dimensions', 'many');

      await expect((await harness.open()).nearest(USER, axis(0))).rejects.toThrow(MemoryStoreUnavailableError);
    });

    it('writes nothing of a change whose vector the server refuses', async () => {
      const { backing } = harness;
      const { waiting } = await fill(sut);
      for (const key of [keysOf(USER).memory.vectors(1), keysOf(USER).shadow.vectors(1)]) {
        await backing.outside.del(key);
        await backing.outside.call('VADD', key, 'VALUES', 2, 1, 0, 'of other dimensions');
      }
      const before = await backing.snapshot();

      for (const change of [
        () => sut.put(USER, [embedded('put')]),
        () => sut.record(judgementOf({ kind: 'keep', memory: embedded('kept') })),
        () => sut.record(judgementOf(shadow(embedded('shadow')))),
        () => sut.promote(USER, waiting.id, axis(0)),
      ]) {
        const error: unknown = await change().catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(StoreRefusedError);
        expect(inspect(error)).toContain('dimension');
      }

      expect(await backing.snapshot()).toEqual(before);
    });
  });
}

/** The same on a node of a Redis Cluster, and on a server whose memory is full; it is the tests' own. */
export function describeRedisMemoryStoreOnOwnServer(makeHarness: () => RedisMemoryHarness): void {
  describe(`${RedisMemoryStore.name} on a cluster`, () => {
    let harness: RedisMemoryHarness;
    let sut: MemoryStore;

    beforeAll(() => {
      Logger.overrideLogger(false);
    });

    beforeEach(async () => {
      harness = makeHarness();
      sut = await harness.open();
      await sut.claimSpace(SPACE);
    });

    afterEach(async () => {
      await harness.dispose();
    });

    it('does everything of a user on one slot', async () => {
      const { backing } = harness;
      const { kept, waiting } = await fill(sut);
      await sut.beginReembedding(OTHER_SPACE);
      const pending = await sut.pendingReembedding(100);
      await sut.putReembedded(pending.map((item) => ({ ...item, vector: axis(0, 3) })));
      await sut.forget('bob', 'mark');

      const keys = (await backing.allKeys()).filter((key) => key.includes('{ada'));
      const slots = await Promise.all(keys.map((key) => backing.outside.cluster('KEYSLOT', key)));

      expect(keys.length).toBeGreaterThanOrEqual(14);
      expect(new Set(slots).size).toBe(1);
      await sut.finishReembedding();
      expect(await sut.search(USER, axis(0, 3), { limit: 10, minSimilarity: 0, includeShadow: true })).toHaveLength(2);
      expect(await sut.list(USER, { limit: 10 })).toHaveLength(1);
      expect(await sut.promote(USER, waiting.id, axis(1, 3))).toBe(true);
      expect(await sut.delete(USER, kept.id)).toBe(true);
      expect(await sut.decisions(USER, 10)).toHaveLength(2);
      expect(await sut.forget(USER, 'mark')).toBe(1);
    });

    it('is down, and writes nothing, while the server has no memory left', async () => {
      const { backing } = harness;
      const { kept } = await fill(sut);
      await sut.check();
      const before = await backing.snapshot();
      await backing.outside.config('SET', 'maxmemory', 1);

      for (const call of [
        () => sut.check(),
        () => sut.put(USER, [embedded('more')]),
        () => sut.record(judgementOf({ kind: 'keep', memory: embedded('more') })),
        () => sut.record(judgementOf(shadow(embedded('more')))),
        () => sut.record(judgementOf({ kind: 'strengthen', id: kept.id, seenAtMs: AT_MS })),
      ]) {
        await expect(call()).rejects.toThrow(MemoryStoreUnavailableError);
      }

      await backing.outside.config('SET', 'maxmemory', 0);
      expect(await backing.snapshot()).toEqual(before);
      await sut.check();
    });
  });
}
