import { Logger } from '@nestjs/common';
import { inspect } from 'node:util';
import { memoryKeys, type UserMemoryKeys } from '../../../src/infra/redis/index.js';
import { RedisMemoryStore } from '../../../src/memory/adapters/redis/redis-memory-store.js';
import { MemoryStoreUnavailableError } from '../../../src/memory/memory.errors.js';
import type { IndexedMemory } from '../../../src/memory/store/memory-store.port.js';
import { StoreRefusedError } from '../../../src/shared/index.js';
import { axis, indexed, judgementOf, keep, nearest, OTHER_SPACE, SPACE } from './memory-store.fixtures.js';
import { fill, USER } from './memory-store.redis-filled.js';
import type { OpenedStore } from './memory-store.harness.js';
import type { RedisMemoryHarness } from './memory-store.redis-harness.js';

const ofUser = (text: string): IndexedMemory => indexed(text, axis(4), { userId: USER });

/** What the Redis adapter makes of keys that somebody else has broken. */
export function describeRedisMemoryFaults(makeHarness: () => RedisMemoryHarness): void {
  describe(`${RedisMemoryStore.name} among broken keys`, () => {
    let harness: RedisMemoryHarness;
    let sut: OpenedStore;
    let keysOf: (userId: string) => UserMemoryKeys;

    beforeAll(() => {
      Logger.overrideLogger(false);
    });

    beforeEach(async () => {
      harness = makeHarness();
      keysOf = (userId) => memoryKeys(harness.backing.keyPrefix).ofUser(userId);
      sut = await harness.open();
      await sut.claimSpace(SPACE);
    });

    afterEach(async () => {
      await harness.dispose();
    });

    const changes = (id: string): (() => Promise<unknown>)[] => [
      () => sut.put(USER, [ofUser('my secret')]),
      () => sut.record(judgementOf(keep(ofUser('my secret')))),
      () => sut.replace(USER, id, ofUser('my secret')),
      () => sut.delete(USER, id),
      // These know nothing of vectors.
      () => sut.reinstate(USER, id),
      () => sut.noteRecalled(USER, [id], 1),
    ];

    it.each(
      Object.entries({
        ids: ({ ids }) => ids,
        items: ({ items }) => items,
        vectors: ({ vectors }) => vectors(1),
        index: ({ index }) => index,
        numbers: ({ numbers }) => numbers,
        terms: ({ terms }) => terms,
        texts: ({ texts }) => texts,
        totals: ({ totals }) => totals,
        retention: ({ retention }) => retention,
        pinned: ({ pinned }) => pinned,
        repetitions: ({ repetitions }) => repetitions,
        'last seen': ({ lastSeen }) => lastSeen,
        recalls: ({ recalls }) => recalls,
        'last recalled': ({ lastRecalled }) => lastRecalled,
        'valid from': ({ validFrom }) => validFrom,
        superseded: ({ superseded }) => superseded,
        supersedes: ({ supersedes }) => supersedes,
        decisions: ({ decisions }) => decisions,
        'decision times': ({ decisionTimes }) => decisionTimes,
        statistics: ({ statistics }) => statistics,
        'forget mark': ({ forgetMark }) => forgetMark,
      } satisfies Record<string, (keys: UserMemoryKeys) => string>),
    )('writes nothing of a change that fails, and shows no text in the error: %s', async (name, keyIn) => {
      const { backing } = harness;
      const { old } = await fill(sut);
      const key = keyIn(keysOf(USER));
      await backing.outside.del(key);
      await backing.outside.xadd(key, '*', 'of', 'another type');
      const before = await backing.snapshot();

      const affected = changes(old.id).slice(0, name === 'vectors' ? 4 : undefined);
      for (const change of affected) {
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
      await sut.put('bob', [indexed('of another', axis(0), { userId: 'bob' })]);
      await harness.backing.outside.set(keysOf(USER).vectors(1), 'not a vector set');

      await expect(nearest(sut, USER, axis(0))).rejects.toThrow(StoreRefusedError);

      expect(await nearest(sut, 'bob', axis(0))).toMatchObject({ similarity: expect.closeTo(1, 2) as number });
      expect(await sut.record(judgementOf(keep(indexed('more', axis(0), { userId: 'bob' }))))).toBe('recorded');
    });

    it.each(['space', 'users'])('takes the shared key memory:%s for an outage where it is broken', async (name) => {
      const key = `${harness.backing.keyPrefix}memory:${name}`;
      await harness.backing.outside.del(key);
      await harness.backing.outside.set(key, 'of another type');
      const other = await harness.open();

      const error: unknown = await other.put(USER, [ofUser('mine')]).catch((reason: unknown) => reason);

      expect(error).toBeInstanceOf(MemoryStoreUnavailableError);
      expect(inspect(error)).toContain('WRONGTYPE');
    });

    it('takes a description of the embedding spaces that nobody can read for an outage', async () => {
      await harness.backing.outside.hset(memoryKeys(harness.backing.keyPrefix).spaces, 'dimensions', 'many');

      await expect(nearest(await harness.open(), USER, axis(0))).rejects.toThrow(MemoryStoreUnavailableError);
    });

    it('writes nothing of a change whose vector the server refuses', async () => {
      const { backing } = harness;
      const { old } = await fill(sut);
      const key = keysOf(USER).vectors(1);
      await backing.outside.del(key);
      await backing.outside.call('VADD', key, 'VALUES', 2, 1, 0, 'of other dimensions');
      const before = await backing.snapshot();

      for (const change of changes(old.id).slice(0, 3)) {
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
    let sut: OpenedStore;

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
      const { old, pinned } = await fill(sut);
      await sut.reembedding.begin(OTHER_SPACE);
      const pending = await sut.reembedding.pending(100);
      await sut.reembedding.put(pending.map((item) => ({ ...item, vector: axis(0, 6) })));
      await sut.forget('bob', 'mark');

      const keys = (await backing.allKeys()).filter((key) => key.includes('{ada'));
      const slots = await Promise.all(keys.map((key) => backing.outside.cluster('KEYSLOT', key)));

      expect(keys.length).toBeGreaterThanOrEqual(25);
      expect(new Set(slots).size).toBe(1);
      await sut.reembedding.finish();
      const query = { vector: axis(0, 6), terms: ['said', 'recalled'], limit: 10 };
      expect(await sut.candidates(USER, query)).toHaveLength(3);
      expect(await sut.list(USER, { limit: 10 })).toHaveLength(3);
      expect(await sut.change(USER, pinned.id, { isPinned: false, metadata: { a: 1 } })).toBeDefined();
      expect(await sut.delete(USER, old.id)).toBe(true);
      expect(await sut.decisions(USER, 10)).toHaveLength(3);
      expect(await sut.forget(USER, 'mark')).toBe(2);
    });

    it('is down, and writes nothing, while the server has no memory left', async () => {
      const { backing } = harness;
      const { old } = await fill(sut);
      await sut.check();
      const before = await backing.snapshot();
      await backing.outside.config('SET', 'maxmemory', 1);

      for (const call of [
        () => sut.check(),
        () => sut.put(USER, [ofUser('more')]),
        () => sut.record(judgementOf(keep(ofUser('more')))),
        () => sut.replace(USER, old.id, ofUser('more')),
        () => sut.noteRecalled(USER, [old.id], 1),
      ]) {
        await expect(call()).rejects.toThrow(MemoryStoreUnavailableError);
      }
      // What is there is found all the same.
      expect(await sut.candidates(USER, { vector: axis(0), terms: ['twice'], limit: 10 })).toHaveLength(3);

      await backing.outside.config('SET', 'maxmemory', 0);
      expect(await backing.snapshot()).toEqual(before);
      await sut.check();
    });
  });
}
