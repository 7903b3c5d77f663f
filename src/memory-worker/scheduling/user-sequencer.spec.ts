import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { until } from '../../../test/support/until.js';
import type { DeliveredEntry, InputStream, Unsettled } from '../../stream/index.js';
import { StreamUnavailableError } from '../../stream/index.js';
import { InFlightEntries } from './in-flight-entries.js';
import { longestWaitMs, UserSequencer } from './user-sequencer.js';

const LONG_MS = 600_000;
const never = new AbortController().signal;

/** Entries by user, in order, of which some are settled; receipts are their numbers. */
class Entries {
  readonly unsettled: DeliveredEntry[] = [];
  asked = 0;
  failure: Error | undefined;

  add(userId: string): DeliveredEntry {
    const receipt = String(this.unsettled.length + 1);
    const delivered = { receipt, deliveries: 1, entry: { id: receipt, userId } as DeliveredEntry['entry'] };
    this.unsettled.push(delivered);
    return delivered;
  }

  settle(delivered: DeliveredEntry): void {
    this.unsettled.splice(this.unsettled.indexOf(delivered), 1);
  }

  async earlier(batch: readonly DeliveredEntry[]): Promise<Map<string, Unsettled>> {
    this.asked += 1;
    if (this.failure) throw this.failure;
    const users = Map.groupBy(batch, ({ entry }) => entry.userId);
    const found = [...users].map(([userId, [first]]): [string, Unsettled] => {
      const before = this.unsettled.filter(
        ({ receipt, entry }) => entry.userId === userId && Number(receipt) < Number(first!.receipt),
      );
      return [userId, { receipts: before.map(({ receipt }) => receipt).reverse(), count: before.length }];
    });
    return new Map(found.filter(([, { count }]) => count > 0));
  }
}

describe(UserSequencer.name, () => {
  const warnings = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  let entries: Entries;
  let inFlight: InFlightEntries;
  let sut: UserSequencer;
  let turns: string[][];

  beforeEach(() => {
    entries = new Entries();
    inFlight = new InFlightEntries();
    turns = [];
    make();
    warnings.mockClear();
  });

  function make(longestMs = LONG_MS): void {
    sut = new UserSequencer(entries as unknown as InputStream, inFlight, longestMs);
  }

  /** Processes a batch in order: notes each portion, unblocks and settles it. */
  async function take(batch: readonly DeliveredEntry[], signal = never, onBlocked?: () => void): Promise<void> {
    const earlier = await sut.earlierThan(batch);
    const waiting = batch.map((delivered) => ({ delivered }));
    for await (const portion of sut.inOrder(waiting, earlier, { signal, ...(onBlocked && { onBlocked }) })) {
      const delivered = portion.map((one) => one.delivered);
      turns.push(delivered.map(({ receipt }) => receipt));
      sut.unblock(delivered);
      for (const one of delivered) entries.settle(one);
    }
  }

  it('yields a batch at once if nothing comes before it, after one question to the stream', async () => {
    const onBlocked = jest.fn();
    await take([entries.add('ada'), entries.add('bob'), entries.add('ada')], never, onBlocked);
    expect(turns).toEqual([['1', '2', '3']]);
    expect(entries.asked).toBe(1);
    expect(onBlocked).not.toHaveBeenCalled();
  });

  it('holds back users with an earlier entry at another worker, and nobody else', async () => {
    const before = entries.add('ada');
    const onBlocked = jest.fn();
    const taking = take([entries.add('ada'), entries.add('bob'), entries.add('ada')], never, onBlocked);
    await until(() => onBlocked.mock.calls.length > 0 && entries.asked > 3);
    expect(turns).toEqual([['3']]);

    entries.settle(before);
    await taking;
    expect(turns).toEqual([['3'], ['2', '4']]);
    expect(warnings).not.toHaveBeenCalled();
  });

  it('keeps the order of batches of this process, without asking again', async () => {
    const batches = Array.from({ length: 5 }, () => inFlight.add([entries.add('ada'), entries.add('ada')]));
    const later = batches.slice(1).map((batch) => take(batch));
    await until(() => entries.asked >= 4);
    await Promise.all([...later.reverse(), take(batches[0]!)]);
    expect(turns.flat()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']);
    expect(entries.asked).toBe(5);
  });

  it('waits for its own in-flight entries without limit, and for those of others up to the limit', async () => {
    make(100);
    const mine = entries.add('ada');
    inFlight.add([mine]);
    entries.add('bob');
    const taking = take([entries.add('ada'), entries.add('bob')]);

    await until(() => turns.length > 0);
    expect(turns).toEqual([['4']]);
    expect(warnings.mock.calls.flat()).toEqual([expect.stringMatching(/^Stopped waiting for 1 earlier/)]);

    await take([mine]);
    await taking;
    expect(turns).toEqual([['4'], ['1'], ['3']]);
  });

  it('waits only once for an entry that never comes', async () => {
    make(100);
    entries.add('ada');
    await take([entries.add('ada')]);
    const { asked } = entries;
    await take([entries.add('ada')]);
    expect(entries.asked).toBe(asked + 1);
    expect(warnings).toHaveBeenCalledTimes(1);
  });

  it('goes on waiting while entries of the user progress', async () => {
    let now = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now);
    make(1_000);
    const before = Array.from({ length: 5 }, () => entries.add('ada'));
    const taking = take([entries.add('ada')]);
    await until(() => entries.asked > 1);
    for (const one of before.slice(1)) {
      now += 900;
      entries.settle(one);
      const { asked } = entries;
      await until(() => entries.asked > asked + 1);
    }
    expect(turns).toEqual([]);
    entries.settle(before[0]!);
    await taking;
    clock.mockRestore();
    expect(turns).toEqual([['6']]);
    expect(warnings).not.toHaveBeenCalled();
  });

  it('neither waits for unblocked entries nor holds them back', async () => {
    const [first, second, third] = [entries.add('ada'), entries.add('ada'), entries.add('ada')];
    inFlight.add([first]);
    sut.unblock([second]);
    await take([second]);
    expect(turns).toEqual([['2']]);
    const taking = take([third]);
    sut.unblock([first]);
    await taking;
    expect(turns).toEqual([['2'], ['3']]);
  });

  it('keeps an in-flight entry unblocked however many follow it', async () => {
    const quarantined = entries.add('ada');
    inFlight.add([quarantined]);
    sut.unblock([quarantined]);
    for (let index = 0; index < 10_001; index++) sut.unblock([entries.add('bob')]);
    await take([entries.add('ada')]);
    expect(turns).toHaveLength(1);
  });

  it('ends at once on abort', async () => {
    const before = entries.add('ada');
    inFlight.add([before]);
    const stop = new AbortController();
    const onBlocked = jest.fn();
    const taking = take([entries.add('ada')], stop.signal, onBlocked);
    await until(() => onBlocked.mock.calls.length > 0);
    stop.abort();
    await expect(taking).rejects.toThrow(/abort/i);
    expect(turns).toEqual([]);
  });

  it('fails while the stream is unavailable', async () => {
    entries.add('ada');
    const onBlocked = jest.fn();
    const taking = take([entries.add('ada')], never, onBlocked);
    entries.failure = new StreamUnavailableError();
    await expect(taking).rejects.toBe(entries.failure);
  });

  it('waits long enough for the entries of a crashed worker to be taken over', () => {
    expect([longestWaitMs(1_000), longestWaitMs(60_000), longestWaitMs(600_000)]).toEqual([1_500, 90_000, 120_000]);
  });
});
