import { until } from '../../../test/support/until.js';
import { TickBatcher, type TickBatcherOptions } from './tick-batcher.js';

class Overflow extends Error {}

/** A batcher whose batches end when the test says so. */
function makeBatcher(options: Partial<TickBatcherOptions<string>> = {}) {
  const batches: { items: readonly string[]; end: PromiseWithResolvers<readonly string[]> }[] = [];
  const sut = new TickBatcher<string, string>(
    async (items) => {
      const end = Promise.withResolvers<readonly string[]>();
      batches.push({ items, end });
      return end.promise;
    },
    { maxItems: 100, maxWaiting: 1_000, overflow: () => new Overflow('full'), ...options },
  );
  const finish = (index: number) => batches[index]?.end.resolve(batches[index].items.map((item) => `${item}!`));
  const started = (count: number) => until(() => batches.length >= count, `${count} batches are started`);
  const items = () => batches.map((batch) => batch.items);
  return { sut, batches, finish, started, items };
}

const nextTicks = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe(TickBatcher.name, () => {
  it('runs what comes in one tick as one batch, and gives each item its result', async () => {
    const { sut, finish, started, items } = makeBatcher();
    const results = Promise.all([sut.add('a'), Promise.resolve().then(() => sut.add('b')), sut.add('c')]);
    await started(1);
    finish(0);

    expect(await results).toEqual(['a!', 'b!', 'c!']);
    expect(items()).toEqual([['a', 'c', 'b']]);
  });

  it('does not wait for a batch before it runs the next', async () => {
    const { sut, batches, finish, started } = makeBatcher();
    const first = sut.add('a');
    await started(1);
    const second = sut.add('b');
    await started(2);
    batches[0]?.end.reject(new Error('no'));
    finish(1);

    await expect(first).rejects.toThrow('no');
    expect(await second).toBe('b!');
  });

  it('bounds a batch by its number of items', async () => {
    const { sut, items, started } = makeBatcher({ maxItems: 2 });
    for (const item of ['a', 'b', 'c', 'd', 'e']) void sut.add(item);
    await started(3);

    expect(items()).toEqual([['a', 'b'], ['c', 'd'], ['e']]);
  });

  it('bounds a batch by the size of its items, one item at least', async () => {
    const { sut, items, started } = makeBatcher({ size: { max: 3, of: ({ length }) => length } });
    for (const item of ['a', 'bb', 'c', 'dddd', 'e']) void sut.add(item);
    await started(4);

    expect(items()).toEqual([['a', 'bb'], ['c'], ['dddd'], ['e']]);
  });

  it('resolves with nothing where a batch gives no results', async () => {
    const sut = new TickBatcher<string>(() => Promise.resolve(), {
      maxItems: 1,
      maxWaiting: 1,
      overflow: () => new Overflow(),
    });

    await expect(sut.add('a')).resolves.toBeUndefined();
  });

  it('refuses an item beyond those that may wait, and takes the next once there is room', async () => {
    const { sut, started, finish } = makeBatcher({ maxWaiting: 2 });
    void sut.add('a');
    void sut.add('b');

    await expect(sut.add('c')).rejects.toThrow(Overflow);
    await started(1);
    const later = sut.add('d');
    await started(2);
    finish(1);
    expect(await later).toBe('d!');
  });

  describe('in order', () => {
    it('runs one batch at a time: what came in one tick, then what came meanwhile', async () => {
      const { sut, finish, started, items } = makeBatcher({ ordered: { intervalMs: 1 } });
      const results = [sut.add('a'), sut.add('b')];
      await nextTicks();
      results.push(sut.add('c'), sut.add('d'));
      await nextTicks();
      expect(items()).toEqual([['a', 'b']]);

      finish(0);
      await started(2);
      finish(1);

      await Promise.all(results);
      expect(items()).toEqual([
        ['a', 'b'],
        ['c', 'd'],
      ]);
    });

    it('fails the items behind a batch that failed, and runs what comes later', async () => {
      const { sut, batches, finish, started, items } = makeBatcher({ maxItems: 1, ordered: { intervalMs: 1 } });
      const outcomes = Promise.allSettled(['a', 'b', 'c'].map((item) => sut.add(item)));
      await started(1);

      batches[0]?.end.reject(new Error('no'));

      expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
      const later = sut.add('d');
      await started(2);
      finish(1);
      await later;
      expect(items()).toEqual([['a'], ['d']]);
    });

    it('collects items for the interval, and waits for nothing once a whole batch is there', async () => {
      const { sut, finish, started, items } = makeBatcher({ maxItems: 3, ordered: { intervalMs: 1_000 } });
      const results = [sut.add('a')];
      await started(1);
      finish(0);
      await results[0];
      results.push(sut.add('b'));
      await nextTicks();
      results.push(sut.add('c'));
      await started(2);
      results.push(...['d', 'e', 'f'].map((item) => sut.add(item)));
      finish(1);
      await nextTicks();
      expect(items()).toEqual([['a'], ['b', 'c'], ['d', 'e', 'f']]);
      finish(2);
      await Promise.all(results);
    });
  });
});
