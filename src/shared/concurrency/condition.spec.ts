import { Condition } from './condition.js';

describe(Condition.name, () => {
  it('wakes all who wait once what they wait for holds, and not before', async () => {
    const sut = new Condition();
    const woken: string[] = [];
    let count = 0;
    const one = sut.wait(() => count >= 1).then(() => woken.push('one'));
    const two = sut.wait(() => count >= 2).then(() => woken.push('two'));
    count = 1;
    sut.notify();
    await one;
    expect(woken).toEqual(['one']);
    count = 2;
    sut.notify();
    await two;
    expect(woken).toEqual(['one', 'two']);
  });

  it('does not wait for what holds already', async () => {
    await new Condition().wait(() => true);
  });

  it('stops waiting when it is told to', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const waiting = new Condition().wait(() => false, promise);
    resolve(undefined);
    await waiting;
  });
});
