import { setTimeout as pause } from 'node:timers/promises';
import { RedisInputStream } from '../../../src/stream/adapters/redis/redis-input-stream.js';
import type { DeliveredEntry, InputStream } from '../../../src/stream/index.js';
import type { ClusterNode, TestCluster } from '../../support/redis-cluster.js';
import { entryOf, makeRedisHarness, type RedisHarness } from './input-stream.redis-harness.js';

const LONG_MS = 60_000;
const never = new AbortController().signal;

const messagesOf = (delivered: readonly DeliveredEntry[]): string[] => delivered.map(({ entry }) => entry.message);

/** What the Redis adapter has to do on a cluster, beside the contract. */
export function describeInputStreamOnCluster(getCluster: () => TestCluster): void {
  describe(`${RedisInputStream.name} on a cluster`, () => {
    let cluster: TestCluster;
    let harness: RedisHarness;
    let sut: InputStream;
    let slot: number;
    let owner: ClusterNode;
    let other: ClusterNode;

    beforeEach(async () => {
      cluster = getCluster();
      harness = await makeRedisHarness(cluster);
      sut = await harness.open('a');
      slot = await cluster.slotOf(harness.key);
      owner = await cluster.ownerOf(harness.key);
      other = cluster.nodes.find((node) => node !== owner)!;
    });

    afterEach(async () => {
      await harness.dispose();
    });

    const readNow = (): Promise<DeliveredEntry[]> => sut.read({ count: 10, blockMs: 0, signal: never });

    async function moveSlot(): Promise<void> {
      await cluster.beginMove(slot, owner, other);
      await cluster.moveKeys(slot, owner, other);
      await cluster.finishMove(slot, owner, other);
    }

    it('leaves the stream its name and keeps the rest of it on the same slot', async () => {
      await sut.append(entryOf('one'));
      const [delivered] = await readNow();
      await sut.deadLetter(delivered!, 'because');

      const names = await owner.client.cluster('GETKEYSINSLOT', slot, 10);

      expect([...names].sort()).toEqual(
        [harness.key, ...['dead', 'ids', 'index'].map((name) => `{${harness.key}}:${name}`)].sort(),
      );
    });

    it('follows the slot of the stream, also under a waiting read', async () => {
      const reading = sut.read({ count: 10, blockMs: LONG_MS, signal: never });
      await pause(50);

      await moveSlot();
      await (await harness.open('producer')).append(entryOf('behind the move'));

      expect(messagesOf(await reading)).toEqual(['behind the move']);
      expect(await sut.statistics()).toEqual({ lag: 0, pending: 1, deadLetters: 0 });
    });

    it('does not give a consumer again what it works on while the slot moves', async () => {
      await sut.append(entryOf('in work'));
      const inWork = await readNow();
      const reading = sut.read({ count: 10, blockMs: LONG_MS, signal: never });
      await pause(50);

      await moveSlot();
      await sut.append(entryOf('next'));

      expect(messagesOf(await reading)).toEqual(['next']);
      await sut.acknowledge(inWork);
      expect(await sut.statistics()).toEqual({ lag: 0, pending: 1, deadLetters: 0 });
    });

    it('works on while the slot is on its way, and ends a waiting read at once on abort', async () => {
      await sut.append(entryOf('before'));
      await cluster.beginMove(slot, owner, other);
      await cluster.moveKeys(slot, owner, other);

      await sut.append(entryOf('during'));
      const delivered = await readNow();
      await sut.acknowledge(delivered);
      const abort = new AbortController();
      const reading = sut.read({ count: 10, blockMs: LONG_MS, signal: abort.signal });
      await pause(50);
      const start = performance.now();
      abort.abort();

      expect(await reading).toEqual([]);
      expect(performance.now() - start).toBeLessThan(LONG_MS / 2);
      expect(messagesOf(delivered)).toEqual(['before', 'during']);
      await cluster.finishMove(slot, owner, other);
    });

    it('reads again after a first read that was aborted while it was still connecting', async () => {
      for (let moment = 0; moment < 40; moment++) {
        const beginner = await harness.open(`beginner-${moment}`);
        const abort = new AbortController();
        const first = beginner.read({ count: 1, blockMs: LONG_MS, signal: abort.signal });
        await pause(moment / 10);
        abort.abort();

        expect(await first).toEqual([]);
        expect(await beginner.read({ count: 1, blockMs: 1, signal: never })).toEqual([]);
      }
    });

    it('waits for a moment while only some of its keys have moved', async () => {
      await sut.append(entryOf('before'));
      await cluster.beginMove(slot, owner, other);
      await cluster.moveKeys(slot, owner, other, [harness.key]);

      const appending = sut.append(entryOf('during'));
      await pause(50);
      await cluster.moveKeys(slot, owner, other);
      await appending;

      expect(messagesOf(await readNow())).toEqual(['before', 'during']);
      await cluster.finishMove(slot, owner, other);
    });
  });
}
