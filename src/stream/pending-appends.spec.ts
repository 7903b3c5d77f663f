import { PendingAppends, type PendingAppend } from './pending-appends.js';

const appendOf = (id: number): PendingAppend => ({
  entry: {
    id: String(id),
    message: 'hello',
    timestampMs: 0,
    userId: 'u',
    sessionId: 's',
    role: 'user',
    context: '',
  },
  characters: 5,
  settled: Promise.resolve(),
  isSpooled: false,
  isFinished: false,
});

describe(PendingAppends.name, () => {
  const addTo = (sut: PendingAppends, count: number): PendingAppend[] => {
    const appends = Array.from({ length: count }, (_, id) => appendOf(id));
    for (const append of appends) sut.add(append);
    return appends;
  };
  const idsIn = (appends: readonly PendingAppend[]): string[] => appends.map(({ entry }) => entry.id);

  it('names unfinished appends in their order, whatever the order in which others finish', () => {
    const sut = new PendingAppends();
    const appends = addTo(sut, 6);

    for (const index of [3, 0, 4]) sut.finish(appends[index]!);

    expect(idsIn(sut.current())).toEqual(['1', '2', '5']);
    expect(sut.count).toBe(3);
  });

  it('keeps finished appends behind an unfinished one, and nothing once that one is finished', () => {
    const sut = new PendingAppends();
    const [first, ...others] = addTo(sut, 1_000);

    for (const append of others) sut.finish(append);
    expect([sut.count, sut.length]).toEqual([1, 1_000]);

    sut.finish(first!);
    expect([sut.count, sut.length, sut.current()]).toEqual([0, 0, []]);
  });

  it('counts the same however many pass through', () => {
    const sut = new PendingAppends();
    const pending: PendingAppend[] = [];
    for (let id = 0; id < 5_000; id++) {
      const append = appendOf(id);
      pending.push(append);
      sut.add(append);
      if (pending.length > 40) sut.finish(pending.splice(id % 40, 1)[0]!);
      expect(sut.count).toBe(pending.length);
    }
    expect(idsIn(sut.current())).toEqual(idsIn(pending));
  });
});
