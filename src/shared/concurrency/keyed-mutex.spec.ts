import { KeyedMutex } from './keyed-mutex.js';

describe(KeyedMutex.name, () => {
  it('runs the work of one key in order and one at a time, of another key beside it', async () => {
    const sut = new KeyedMutex();
    const events: string[] = [];
    const first = Promise.withResolvers<undefined>();
    const work = (name: string, until?: Promise<undefined>) => async () => {
      events.push(`${name} begins`);
      await until;
      events.push(`${name} ends`);
    };

    const all = [
      sut.runExclusive('ada', work('first', first.promise)),
      sut.runExclusive('ada', work('second')),
      sut.runExclusive('bob', work('other')),
    ];
    await all[2];
    expect(events).toEqual(['first begins', 'other begins', 'other ends']);

    first.resolve(undefined);
    await Promise.all(all);
    expect(events.slice(3)).toEqual(['first ends', 'second begins', 'second ends']);
  });

  it('goes on after a failure, which is only its own', async () => {
    const sut = new KeyedMutex();
    const failing = sut.runExclusive('ada', () => Promise.reject(new Error('broken')));
    const next = sut.runExclusive('ada', async () => 7);

    await expect(failing).rejects.toThrow('broken');
    await expect(next).resolves.toBe(7);
  });
});
