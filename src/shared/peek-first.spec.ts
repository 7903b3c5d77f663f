import { peekFirst } from './peek-first.js';

describe(peekFirst.name, () => {
  /** Counts to three, and notes that it was ended. */
  function counter() {
    const state = { given: 0, ended: false };
    const source = (async function* (): AsyncGenerator<number, void> {
      try {
        for (; state.given < 3; state.given++) yield state.given;
      } finally {
        state.ended = true;
      }
    })();
    return { state, source };
  }

  it('gives every item, once', async () => {
    const items: number[] = [];
    for await (const item of await peekFirst(counter().source)) items.push(item);
    expect(items).toEqual([0, 1, 2]);
  });

  it('gives nothing where there is nothing', async () => {
    const { source } = counter();
    await source.return();
    const sut = await peekFirst(source);
    expect(await sut.next()).toEqual({ done: true, value: undefined });
  });

  it('waits for the first item and takes no second one', async () => {
    const { state, source } = counter();
    await peekFirst(source);
    expect(state).toEqual({ given: 0, ended: false });
  });

  it('fails with what its source fails with before the first item, and later on', async () => {
    const failing = async function* (after: number): AsyncGenerator<number, void> {
      for (let i = 0; i < after; i++) yield i;
      throw new Error('boom');
    };
    await expect(peekFirst(failing(0))).rejects.toThrow('boom');
    const sut = await peekFirst(failing(1));
    await sut.next();
    await expect(sut.next()).rejects.toThrow('boom');
  });

  it('ends its source, read from or not', async () => {
    for (const reads of [0, 1, 2]) {
      const { state, source } = counter();
      const sut = await peekFirst(source);
      for (let i = 0; i < reads; i++) await sut.next();
      await sut.return();
      expect(state.ended).toBe(true);
    }
  });
});
