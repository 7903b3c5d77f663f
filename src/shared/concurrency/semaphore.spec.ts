import { Semaphore, SemaphoreFullError } from './semaphore.js';

/** Work that counts how much of it runs at once. */
function counted() {
  const begun: number[] = [];
  const counts = { running: 0, most: 0 };
  const work = async (index: number): Promise<number> => {
    begun.push(index);
    counts.most = Math.max(counts.most, ++counts.running);
    await new Promise(setImmediate);
    counts.running -= 1;
    return index;
  };
  return { begun, counts, work };
}

describe(Semaphore.name, () => {
  it('runs so many at once and no more, first come, first served', async () => {
    const sut = new Semaphore(2);
    const { begun, counts, work } = counted();

    const results = await Promise.all([0, 1, 2, 3, 4].map((index) => sut.run(() => work(index))));

    expect(results).toEqual([0, 1, 2, 3, 4]);
    expect(begun).toEqual([0, 1, 2, 3, 4]);
    expect(counts.most).toBe(2);
  });

  it('lets nobody pass those that wait', async () => {
    const sut = new Semaphore(1);
    const permit = await sut.acquire();
    const waiting = sut.acquire();

    permit[Symbol.dispose]();
    expect(sut.tryAcquire()).toBeUndefined();

    (await waiting)[Symbol.dispose]();
    expect(sut.tryAcquire()).toBeDefined();
  });

  it('takes a permit back once, however often it is given back', async () => {
    const sut = new Semaphore(1);
    const permit = await sut.acquire();
    permit[Symbol.dispose]();
    permit[Symbol.dispose]();

    expect(sut.tryAcquire()).toBeDefined();
    expect(sut.tryAcquire()).toBeUndefined();
  });

  it('passes a failure on and goes on', async () => {
    const sut = new Semaphore(1);
    await expect(sut.run(() => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
    await expect(sut.run(async () => 7)).resolves.toBe(7);
  });

  it('refuses at once the one too many to wait', async () => {
    const sut = new Semaphore(1, { maxWaiting: 1 });
    const permit = await sut.acquire();
    const waiting = sut.acquire();

    await expect(sut.acquire()).rejects.toBeInstanceOf(SemaphoreFullError);
    expect(sut.waiting).toBe(1);

    permit[Symbol.dispose]();
    await waiting;
    expect(sut.waiting).toBe(0);
  });

  it('ends a wait with the reason of its signal, and the next one in line is served', async () => {
    const sut = new Semaphore(1);
    const permit = await sut.acquire();
    const caller = new AbortController();
    const aborted = sut.acquire(caller.signal);
    const next = sut.acquire();

    caller.abort(new Error('gone'));
    await expect(aborted).rejects.toThrow('gone');
    permit[Symbol.dispose]();
    await next;
    await expect(sut.acquire(AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
  });

  it('keeps no permit for a signal that is aborted once it has been given', async () => {
    const sut = new Semaphore(1);
    const permit = await sut.acquire();
    const caller = new AbortController();
    const waiting = sut.acquire(caller.signal);

    permit[Symbol.dispose]();
    caller.abort(new Error('gone'));
    (await waiting)[Symbol.dispose]();
    expect(sut.tryAcquire()).toBeDefined();
  });
});

describe('Semaphore.map', () => {
  it('works on so many items at once, and keeps their order', async () => {
    const { counts, work } = counted();

    await expect(new Semaphore(3).map([5, 4, 3, 2, 1, 0], work)).resolves.toEqual([5, 4, 3, 2, 1, 0]);
    expect(counts.most).toBe(3);
  });

  it('begins nothing after a failure, and frees what it held', async () => {
    const sut = new Semaphore(2);
    const begun: number[] = [];
    const failing = sut.map([0, 1, 2, 3], async (index) => {
      begun.push(index);
      await new Promise(setImmediate);
      if (index === 0) throw new Error('broken');
    });

    await expect(failing).rejects.toThrow('broken');
    await sut.run(async () => undefined);
    expect(begun).toEqual([0, 1]);
    expect(sut.waiting).toBe(0);
  });
});
