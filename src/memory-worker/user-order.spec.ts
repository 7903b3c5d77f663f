import { jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { until } from '../../test/support/until.js';
import type { DeliveredEntry, InputStream, Unsettled } from '../stream/index.js';
import { StreamUnavailableError } from '../stream/index.js';
import { EntriesInHand } from './entries-in-hand.js';
import { longestWaitMs, UserOrder } from './user-order.js';

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

describe(UserOrder.name, () => {
  const warnings = jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  let entries: Entries;
  let inHand: EntriesInHand;
  let sut: UserOrder;
  let turns: string[][];

  beforeEach(() => {
    entries = new Entries();
    inHand = new EntriesInHand();
    turns = [];
    make();
    warnings.mockClear();
  });

  function make(longestMs = LONG_MS): void {
    sut = new UserOrder(entries as unknown as InputStream, inHand, longestMs);
  }

  /** Takes a batch through its turns, notes them, and has it passed and settled. */
  async function take(batch: readonly DeliveredEntry[], signal = never, onWait?: () => void): Promise<void> {
    const before = await sut.before(batch);
    const waiting = batch.map((delivered) => ({ delivered }));
    for await (const portion of sut.inTurn(waiting, before, { signal, ...(onWait && { onWait }) })) {
      const delivered = portion.map((one) => one.delivered);
      turns.push(delivered.map(({ receipt }) => receipt));
      sut.pass(delivered);
      for (const one of delivered) entries.settle(one);
    }
  }

  it('gives a batch its turn at once where nothing is before it, with one question', async () => {
    const onWait = jest.fn();
    await take([entries.add('ada'), entries.add('bob'), entries.add('ada')], never, onWait);
    expect(turns).toEqual([['1', '2', '3']]);
    expect(entries.asked).toBe(1);
    expect(onWait).not.toHaveBeenCalled();
  });

  it('lets those wait whose user said something before, and nobody else, until another worker is done with it', async () => {
    const before = entries.add('ada');
    const onWait = jest.fn();
    const taking = take([entries.add('ada'), entries.add('bob'), entries.add('ada')], never, onWait);
    await until(() => onWait.mock.calls.length > 0 && entries.asked > 3);
    expect(turns).toEqual([['3']]);

    entries.settle(before);
    await taking;
    expect(turns).toEqual([['3'], ['2', '4']]);
    expect(warnings).not.toHaveBeenCalled();
  });

  it('keeps the order of batches of this process, without asking again', async () => {
    const batches = Array.from({ length: 5 }, () => inHand.take([entries.add('ada'), entries.add('ada')]));
    const later = batches.slice(1).map((batch) => take(batch));
    await until(() => entries.asked >= 4);
    await Promise.all([...later.reverse(), take(batches[0]!)]);
    expect(turns.flat()).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']);
    expect(entries.asked).toBe(5);
  });

  it('waits for what this process has in hand as long as it takes, and for no other longer than it may', async () => {
    make(100);
    const mine = entries.add('ada');
    inHand.take([mine]);
    entries.add('bob');
    const taking = take([entries.add('ada'), entries.add('bob')]);

    await until(() => turns.length > 0);
    expect(turns).toEqual([['4']]);
    expect(warnings.mock.calls.flat()).toEqual([expect.stringMatching(/^Not waiting any longer for 1 earlier/)]);

    await take([mine]);
    await taking;
    expect(turns).toEqual([['4'], ['1'], ['3']]);
  });

  it('waits for what was given up on only once', async () => {
    make(100);
    entries.add('ada');
    await take([entries.add('ada')]);
    const { asked } = entries;
    await take([entries.add('ada')]);
    expect(entries.asked).toBe(asked + 1);
    expect(warnings).toHaveBeenCalledTimes(1);
  });

  it('goes on waiting while something of the user moves', async () => {
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

  it('lets nothing wait for what failed or is in doubt, nor that itself', async () => {
    const [first, second, third] = [entries.add('ada'), entries.add('ada'), entries.add('ada')];
    inHand.take([first]);
    sut.pass([second]);
    await take([second]);
    expect(turns).toEqual([['2']]);
    const taking = take([third]);
    sut.pass([first]);
    await taking;
    expect(turns).toEqual([['2'], ['3']]);
  });

  it('ends at once on abort', async () => {
    const before = entries.add('ada');
    inHand.take([before]);
    const stop = new AbortController();
    const onWait = jest.fn();
    const taking = take([entries.add('ada')], stop.signal, onWait);
    await until(() => onWait.mock.calls.length > 0);
    stop.abort();
    await expect(taking).rejects.toThrow(/abort/i);
    expect(turns).toEqual([]);
  });

  it('fails while the stream is away', async () => {
    entries.add('ada');
    const onWait = jest.fn();
    const taking = take([entries.add('ada')], never, onWait);
    entries.failure = new StreamUnavailableError();
    await expect(taking).rejects.toBe(entries.failure);
  });

  it('waits long enough for the entries of a dead worker to be taken over, within half a minute', () => {
    expect([longestWaitMs(1_000), longestWaitMs(60_000), longestWaitMs(600_000)]).toEqual([1_500, 90_000, 120_000]);
  });
});
