import { Slots } from './slots.js';

describe(Slots.name, () => {
  it('runs so many at once and no more, in their order', async () => {
    const sut = new Slots(2);
    const begun: number[] = [];
    let running = 0;
    let most = 0;
    const work = (index: number) => async () => {
      begun.push(index);
      most = Math.max(most, ++running);
      await Promise.resolve();
      running -= 1;
      return index;
    };

    const results = await Promise.all([0, 1, 2, 3, 4].map((index) => sut.run(work(index))));

    expect(results).toEqual([0, 1, 2, 3, 4]);
    expect(begun).toEqual([0, 1, 2, 3, 4]);
    expect(most).toBe(2);
  });

  it('lets others have a turn of the event loop between two pieces of work that take none', async () => {
    const sut = new Slots(1);
    const order: string[] = [];
    setTimeout(() => order.push('timer'), 0);
    const busy = (name: string) => async () => {
      order.push(name);
      const until = performance.now() + 5;
      while (performance.now() < until);
    };

    await Promise.all(['a', 'b', 'c'].map((name) => sut.run(busy(name))));

    expect(order.indexOf('timer')).toBeLessThan(order.indexOf('c'));
  });

  it('passes a failure on and goes on', async () => {
    const sut = new Slots(1);
    await expect(sut.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    await expect(sut.run(async () => 7)).resolves.toBe(7);
  });
});
