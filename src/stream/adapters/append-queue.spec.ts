import { until } from '../../../test/support/until.js';
import { encodeEntry } from '../stored-entry.js';
import { StreamUnavailableError } from '../stream.errors.js';
import { AppendQueue } from './append-queue.js';

const storedOf = (id: string, message = 'hello') =>
  encodeEntry({ id, message, timestampMs: 0, userId: 'u', sessionId: 's', role: 'user', context: '' });

/** A queue whose writes end when the test says so. */
function makeQueue(maxGroup = 100, intervalMs = 1) {
  const writes: { ids: string[]; end: PromiseWithResolvers<undefined> }[] = [];
  const sut = new AppendQueue(
    maxGroup,
    async (group) => {
      const end = Promise.withResolvers<undefined>();
      writes.push({ ids: group.map(({ id }) => id), end });
      await end.promise;
    },
    intervalMs,
  );
  const written = (groups: number) => until(() => writes.length >= groups, `${groups} groups are written`);
  return { sut, writes, written };
}

const nextTurns = async (): Promise<void> => {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe(AppendQueue.name, () => {
  it('writes one group at a time, in order: what came in one turn, then what came meanwhile', async () => {
    const { sut, writes, written } = makeQueue();
    const appends = [sut.append(storedOf('1')), sut.append(storedOf('2'))];
    await nextTurns();
    appends.push(sut.append(storedOf('3')), sut.append(storedOf('4')));
    await nextTurns();
    expect(writes.map(({ ids }) => ids)).toEqual([['1', '2']]);

    writes[0]?.end.resolve(undefined);
    await written(2);
    writes[1]?.end.resolve(undefined);

    await Promise.all(appends);
    expect(writes.map(({ ids }) => ids)).toEqual([
      ['1', '2'],
      ['3', '4'],
    ]);
  });

  it('bounds a group by its number and by its text, one entry at least', async () => {
    const { sut, writes, written } = makeQueue(2);
    const long = 'x'.repeat(300_000);
    const appends = ['1', '2', '3'].map((id) => sut.append(storedOf(id)));
    appends.push(sut.append(storedOf('4', long)), sut.append(storedOf('5')));

    for (let i = 0; i < 4; i++) {
      await written(i + 1);
      writes[i]?.end.resolve(undefined);
    }

    await Promise.all(appends);
    expect(writes.map(({ ids }) => ids)).toEqual([['1', '2'], ['3'], ['4'], ['5']]);
  });

  it('fails what waits behind a group that failed, and goes on with what comes after', async () => {
    const { sut, writes, written } = makeQueue(1);
    const appends = ['1', '2', '3'].map((id) => sut.append(storedOf(id)));
    const outcomes = Promise.allSettled(appends);
    await nextTurns();

    writes[0]?.end.reject(new StreamUnavailableError());

    expect((await outcomes).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    const later = sut.append(storedOf('4'));
    await written(2);
    writes[1]?.end.resolve(undefined);
    await later;
    expect(writes.map(({ ids }) => ids)).toEqual([['1'], ['4']]);
  });

  it('collects for a moment what comes after a group, and waits for nothing once a whole one is there', async () => {
    const { sut, writes, written } = makeQueue(3, 1_000);
    const appends = [sut.append(storedOf('1'))];
    await nextTurns();
    writes[0]?.end.resolve(undefined);
    await appends[0];
    appends.push(sut.append(storedOf('2')));
    await nextTurns();
    appends.push(sut.append(storedOf('3')));
    await written(2);
    appends.push(...['4', '5', '6'].map((id) => sut.append(storedOf(id))));
    writes[1]?.end.resolve(undefined);
    await nextTurns();
    expect(writes.map(({ ids }) => ids)).toEqual([['1'], ['2', '3'], ['4', '5', '6']]);
    writes[2]?.end.resolve(undefined);
    await Promise.all(appends);
  });

  it('refuses what exceeds the number that may wait', async () => {
    const { sut } = makeQueue();
    for (let i = 0; i < 10_000; i++) void sut.append(storedOf(String(i)));

    await expect(sut.append(storedOf('one too many'))).rejects.toThrow(StreamUnavailableError);
  });
});
