import { Logger } from '@nestjs/common';
import { setTimeout as pause } from 'node:timers/promises';
import { newId } from '../../../src/shared/index.js';
import type { DeliveredEntry, InputStream, StreamEntry } from '../../../src/stream/index.js';
import { StreamUnavailableError } from '../../../src/stream/index.js';
import {
  entryOf,
  type InputStreamHarness,
  letItWait,
  LONG_MS,
  messagesOf,
  never,
  numbered,
  onceAvailable,
  readNow,
} from './input-stream.fixtures.js';

/** Reproducible numbers in [0, 1) (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What every adapter of the port has to do; the port's comment, in tests. */
export function describeInputStream(name: string, makeHarness: () => Promise<InputStreamHarness>): void {
  describe(`InputStream: ${name}`, () => {
    let harness: InputStreamHarness;

    beforeAll(() => {
      Logger.overrideLogger(false);
    });

    beforeEach(async () => {
      harness = await makeHarness();
    });

    afterEach(async () => {
      await harness.dispose();
    });

    describe('appending and reading', () => {
      it('delivers entries in the order of their appends, up to the count asked for', async () => {
        const sut = await harness.open('a');
        for (const entry of numbered(5)) await sut.append(entry);

        expect(messagesOf(await readNow(sut, 3))).toEqual(['message 0', 'message 1', 'message 2']);
        expect(messagesOf(await readNow(sut, 3))).toEqual(['message 3', 'message 4']);
        expect(await readNow(sut)).toEqual([]);
      });

      it('keeps the order of appends that are under way together', async () => {
        const sut = await harness.open('a');
        const entries = numbered(600);

        await Promise.all(entries.map((entry) => sut.append(entry)));

        const delivered = await readNow(sut, 600);
        expect(messagesOf(delivered)).toEqual(entries.map(({ message }) => message));
      });

      it('returns every field as it was appended, with one delivery', async () => {
        const sut = await harness.open('a');
        const traced = entryOf('hello', {
          role: 'assistant',
          context: 'user: hi',
          traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
          forgetMark: '019a3f00-0000-7000-8000-000000000001',
        });
        const untraced = entryOf('again');
        await sut.append(traced);
        await sut.append(untraced);

        const delivered = await readNow(sut);

        expect(delivered.map(({ entry }) => entry)).toEqual([traced, untraced]);
        expect(delivered.map(({ deliveries }) => deliveries)).toEqual([1, 1]);
      });

      it.each([
        ['emoji and joiners', '👩‍👩‍👧‍👦 👍🏽 🇮🇸'],
        ['scripts of the world', 'Þetta er próf — 这是一个测试 — هذا اختبار — यह एक परीक्षण है'],
        ['decomposed accents', 'e\u0301 vs \u00e9'],
        ['NUL and control characters', 'a\u0000b\u0001\u001b[31m\u007f'],
        ['line breaks and quotes', `one\r\ntwo\n"three" 'four' \\ \t`],
        ['a million characters', 'ключ🔑'.repeat(142_858)],
      ])('keeps a message exactly: %s', async (_, message) => {
        const sut = await harness.open('a');

        await sut.append(entryOf(message, { context: message.slice(0, 1_000) }));

        const [delivered] = await readNow(sut);
        expect(delivered?.entry.message === message).toBe(true);
        expect(delivered?.entry.context).toBe(message.slice(0, 1_000));
      });

      it('takes an id once, whether the entry is unread, pending or acknowledged', async () => {
        const sut = await harness.open('a');
        const entry = entryOf('once');

        await Promise.all([sut.append(entry), sut.append(entry)]);
        await sut.append(entry);
        const delivered = await readNow(sut);
        expect(messagesOf(delivered)).toEqual(['once']);

        await sut.append(entry);
        expect(await readNow(sut)).toEqual([]);

        await sut.acknowledge(delivered);
        await sut.append(entry);
        expect(await readNow(sut)).toEqual([]);
      });

      it('takes the new ones among appends that are under way together', async () => {
        const sut = await harness.open('a');
        const [first, second, third] = [entryOf('first'), entryOf('second'), entryOf('third')];
        await sut.append(second);

        await Promise.all([first, second, third, first].map((entry) => sut.append(entry)));

        expect(messagesOf(await readNow(sut))).toEqual(['second', 'first', 'third']);
      });

      it('reads what was appended before the first consumer came', async () => {
        await (await harness.open('producer')).append(entryOf('early'));

        expect(messagesOf(await readNow(await harness.open('late')))).toEqual(['early']);
      });
    });

    describe('waiting', () => {
      it('returns nothing once the time is over, and not before', async () => {
        const sut = await harness.open('a');
        const start = performance.now();

        expect(await sut.read({ count: 10, blockMs: 150, signal: never })).toEqual([]);

        // Timers of two clocks may differ by a few milliseconds.
        expect(performance.now() - start).toBeGreaterThanOrEqual(140);
      });

      it('wakes for an append by its own process', async () => {
        const sut = await harness.open('a');
        const start = performance.now();
        const reading = sut.read({ count: 10, blockMs: LONG_MS, signal: never });
        await letItWait();

        await sut.append(entryOf('wake'));

        expect(messagesOf(await reading)).toEqual(['wake']);
        expect(performance.now() - start).toBeLessThan(LONG_MS / 2);
      });

      it('wakes for an append by another process', async () => {
        const sut = await harness.open('a');
        const other = await harness.open('b');
        const start = performance.now();
        const reading = sut.read({ count: 10, blockMs: LONG_MS, signal: never });
        await letItWait();

        await other.append(entryOf('wake'));

        expect(messagesOf(await reading)).toEqual(['wake']);
        expect(performance.now() - start).toBeLessThan(LONG_MS / 2);
      });

      it('does not hold up appends and acknowledgements', async () => {
        const sut = await harness.open('a');
        await sut.append(entryOf('first'));
        const first = await readNow(sut);
        const abort = new AbortController();
        const reading = sut.read({ count: 10, blockMs: LONG_MS, signal: abort.signal });
        await letItWait();
        const start = performance.now();

        await sut.acknowledge(first);
        expect((await sut.statistics()).pending).toBe(0);

        expect(performance.now() - start).toBeLessThan(LONG_MS / 2);
        abort.abort();
        await reading;
      });

      it('ends at once on abort', async () => {
        const sut = await harness.open('a');
        const abort = new AbortController();
        const reading = sut.read({ count: 10, blockMs: LONG_MS, signal: abort.signal });
        await letItWait();
        const start = performance.now();

        abort.abort();

        expect(await reading).toEqual([]);
        expect(performance.now() - start).toBeLessThan(LONG_MS / 2);
      });

      it('returns nothing and takes nothing when it was aborted before', async () => {
        const sut = await harness.open('a');
        await sut.append(entryOf('untouched'));

        expect(await sut.read({ count: 10, blockMs: LONG_MS, signal: AbortSignal.abort() })).toEqual([]);

        expect(await sut.statistics()).toEqual({ lag: 1, pending: 0, deadLetters: 0 });
      });

      it.each([1, 2, 3])('loses nothing and repeats nothing when aborted at any moment (seed %d)', async (seed) => {
        const random = randomFrom(seed);
        const sut = await harness.open('a');
        const producer = await harness.open('producer');
        const entries = numbered(200);
        const received: string[] = [];
        let aborted = 0;

        const producing = (async () => {
          for (const entry of entries) {
            await producer.append(entry);
            if (random() < 0.3) await pause(random() * 3);
          }
        })();
        while (received.length < entries.length) {
          const abort = new AbortController();
          const cut = setTimeout(() => {
            abort.abort();
          }, random() * 4);
          const delivered = await sut.read({ count: 5, blockMs: 500, signal: abort.signal });
          clearTimeout(cut);
          if (abort.signal.aborted) aborted += 1;
          await sut.acknowledge(delivered);
          received.push(...messagesOf(delivered));
        }
        await producing;

        expect(received).toEqual(entries.map(({ message }) => message));
        expect(aborted).toBeGreaterThan(0);
        expect(await sut.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 0 });
      });
    });

    describe('sharing', () => {
      it('gives each entry to one of two consumers', async () => {
        const consumers = [await harness.open('a'), await harness.open('b')];
        const entries = numbered(100);
        await Promise.all(entries.map((entry) => consumers[0]!.append(entry)));

        const shares = await Promise.all(
          consumers.map(async (consumer) => {
            const share: string[] = [];
            for (;;) {
              const delivered = await readNow(consumer, 7);
              if (delivered.length === 0) return share;
              share.push(...messagesOf(delivered));
            }
          }),
        );

        expect(shares.flat().sort()).toEqual(entries.map(({ message }) => message).sort());
      });

      it('gives a consumer that restarts under its name its pending entries first, in order', async () => {
        const crashed = await harness.open('a');
        for (const entry of numbered(25)) await crashed.append(entry);
        await readNow(crashed, 20);

        const sut = await harness.open('a');
        const batches = [await readNow(sut, 8), await readNow(sut, 8), await readNow(sut, 8), await readNow(sut, 8)];

        expect(batches.map((batch) => batch.length)).toEqual([8, 8, 4, 5]);
        expect(messagesOf(batches.flat())).toEqual(numbered(25).map(({ message }) => message));
        expect(batches[0]?.[0]?.deliveries).toBe(2);
        expect(batches[3]?.[0]?.deliveries).toBe(1);
      });

      it('does not give a consumer what it is still working on', async () => {
        const sut = await harness.open('a');
        await sut.append(entryOf('in hand'));
        await readNow(sut);

        expect(await sut.read({ count: 10, blockMs: 100, signal: never })).toEqual([]);
      });

      it('leaves the entries of another consumer alone while they are fresh', async () => {
        const busy = await harness.open('a');
        await busy.append(entryOf('busy'));
        await readNow(busy);

        const sut = await harness.open('b', { claimIdleMs: 60_000 });

        expect(await sut.read({ count: 10, blockMs: 100, signal: never })).toEqual([]);
      });

      it('takes over the entries of another consumer when they are stale, in one waiting read', async () => {
        const crashed = await harness.open('a');
        for (const entry of numbered(3)) await crashed.append(entry);
        await readNow(crashed);

        const sut = await harness.open('b', { claimIdleMs: 200 });
        const taken = await sut.read({ count: 10, blockMs: LONG_MS, signal: never });

        expect(messagesOf(taken)).toEqual(['message 0', 'message 1', 'message 2']);
        expect(taken.map(({ deliveries }) => deliveries)).toEqual([2, 2, 2]);
        await sut.acknowledge(taken);
        expect(await sut.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 0 });
      });

      it('gives an entry that was read and left lying again after the same time', async () => {
        const sut = await harness.open('a', { claimIdleMs: 200 });
        await sut.append(entryOf('failed once'));
        await readNow(sut);

        const again = await sut.read({ count: 10, blockMs: LONG_MS, signal: never });

        expect(messagesOf(again)).toEqual(['failed once']);
        expect(again[0]?.deliveries).toBe(2);
      });
    });

    describe('renewing', () => {
      it('keeps entries that are still worked on from being taken over, and costs no delivery', async () => {
        const slow = await harness.open('a');
        for (const entry of numbered(2)) await slow.append(entry);
        const held = await readNow(slow);
        const other = await harness.open('b', { claimIdleMs: 400 });

        for (let i = 0; i < 5; i++) {
          await slow.renew(held);
          expect(await other.read({ count: 10, blockMs: 150, signal: never })).toEqual([]);
        }

        const taken = await other.read({ count: 10, blockMs: LONG_MS, signal: never });
        expect(taken.map(({ deliveries }) => deliveries)).toEqual([2, 2]);
      });

      it('leaves alone what is not pending any more and what another consumer has taken over', async () => {
        const slow = await harness.open('a');
        for (const entry of numbered(3)) await slow.append(entry);
        const held = await readNow(slow);
        await slow.acknowledge(held.slice(0, 1));
        await slow.deadLetter(held[1]!, 'bad');
        const other = await harness.open('b', { claimIdleMs: 100 });
        expect(messagesOf(await other.read({ count: 10, blockMs: LONG_MS, signal: never }))).toEqual(['message 2']);

        await slow.renew(held);
        await slow.renew([]);

        expect(await slow.statistics()).toEqual({ lag: 0, pending: 1, deadLetters: 1 });
        expect(messagesOf(await readNow(await harness.open('a')))).toEqual([]);
        expect(messagesOf(await readNow(await harness.open('b')))).toEqual(['message 2']);
      });
    });

    describe('telling what came earlier', () => {
      const receiptsOf = (delivered: readonly DeliveredEntry[]): string[] => delivered.map(({ receipt }) => receipt);
      const by = (userId: string, count: number): StreamEntry[] =>
        numbered(count).map((entry) => ({ ...entry, userId }));

      async function appendAll(stream: InputStream, ...entries: StreamEntry[]): Promise<void> {
        for (const entry of entries) await stream.append(entry);
      }

      it('tells of each user what is unread or held by anybody, newest first, and nothing of others', async () => {
        const [first, second] = [await harness.open('a'), await harness.open('b')];
        await appendAll(first, ...by('ada', 2), ...by('bob', 1), ...by('ada', 1), ...by('eve', 1), ...by('bob', 1));
        const held = await readNow(first, 3);
        const batch = await readNow(second);

        const earlier = await second.earlier(batch);

        const [one, two, three] = receiptsOf(held);
        expect(Object.fromEntries(earlier)).toEqual({
          ada: { receipts: [two, one], count: 2 },
          bob: { receipts: [three], count: 1 },
        });
        expect((await first.earlier(held)).size).toBe(0);
      });

      it('goes by the first entry of each user', async () => {
        const sut = await harness.open('a');
        await appendAll(sut, ...by('ada', 4));
        const [before, ...batch] = await readNow(sut);
        expect((await sut.earlier(batch)).get('ada')).toEqual({ receipts: [before!.receipt], count: 1 });
      });

      it('counts neither what was acknowledged nor dead letters, and a requeued one as of now', async () => {
        const sut = await harness.open('a');
        await appendAll(sut, ...by('ada', 4));
        const [done, given, ...rest] = await readNow(sut);
        expect((await sut.earlier(rest)).get('ada')?.count).toBe(2);

        await sut.acknowledge([done!]);
        await sut.deadLetter(given!, 'bad');
        expect((await sut.earlier(rest)).size).toBe(0);

        const deadLetters = await harness.openDeadLetters();
        const [letter] = await deadLetters.list({ limit: 1 });
        await deadLetters.requeue(letter!.handle);
        expect((await sut.earlier(rest)).size).toBe(0);
        const again = await readNow(sut);
        expect((await sut.earlier(again)).get('ada')).toEqual({ receipts: receiptsOf(rest).reverse(), count: 2 });
      });

      it('tells the newest of many, whatever came in one moment, and how many there are', async () => {
        const sut = await harness.open('a');
        await Promise.all(by('ada', 100).map((entry) => sut.append(entry)));
        const all = await readNow(sut, 100);

        for (const position of [1, 9, 10, 11, 33, 99]) {
          const { receipts = [], count } = (await sut.earlier([all[position]!])).get('ada') ?? {};
          const before = receiptsOf(all.slice(0, position));
          expect([count, receipts.length]).toEqual([position, Math.min(position, 32)]);
          expect(before).toEqual(expect.arrayContaining([...receipts]));
          expect(receipts).toContain(before.at(-1));
        }
      });

      it.each(['', ':', 'e3:ada:', '{ada}', 'ada:1', '🔑'])(
        'keeps users apart whose names are alike: ada, ada%s',
        async (end) => {
          const sut = await harness.open('a');
          await appendAll(sut, ...by(`ada${end}`, 1), ...by('ada', 1), ...by(`ada${end}`, 1));
          const [one, two, three] = await readNow(sut);
          const expected = end === '' ? [two!.receipt, one!.receipt] : [one!.receipt];
          expect((await sut.earlier([three!])).get(`ada${end}`)?.receipts).toEqual(expected);
        },
      );

      it('tells nothing of nothing', async () => {
        const sut = await harness.open('a');
        expect((await sut.earlier([])).size).toBe(0);
      });
    });

    describe('acknowledging', () => {
      it('is final: nobody is given the entry again, and the store lets go of it', async () => {
        const sut = await harness.open('a', { claimIdleMs: 100 });
        for (const entry of numbered(4)) await sut.append(entry);
        const delivered = await readNow(sut);

        await sut.acknowledge(delivered.slice(0, 3));

        expect(await harness.storedEntries()).toBe(1);
        expect(messagesOf(await readNow(await harness.open('a')))).toEqual(['message 3']);
      });

      it('may be repeated, and may come from a consumer that lost the entry to another', async () => {
        const slow = await harness.open('a');
        await slow.append(entryOf('slow'));
        const held = await readNow(slow);
        const fast = await harness.open('b', { claimIdleMs: 100 });
        const claimed = await fast.read({ count: 1, blockMs: LONG_MS, signal: never });

        await slow.acknowledge(held);
        await slow.acknowledge(held);
        await fast.acknowledge(claimed);
        await fast.acknowledge([]);

        expect(await fast.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 0 });
      });

      it('leaves unread entries alone', async () => {
        const sut = await harness.open('a');
        for (const entry of numbered(3)) await sut.append(entry);

        await sut.acknowledge(await readNow(sut, 1));

        expect(messagesOf(await readNow(sut))).toEqual(['message 1', 'message 2']);
      });
    });

    describe('dead letters', () => {
      it('keep the entry with its error and its deliveries, out of the way of the others', async () => {
        const sut = await harness.open('a');
        const bad = entryOf('bad \u0000 entry 🔥', { traceparent: 'tp' });
        await sut.append(bad);
        await sut.append(entryOf('good'));
        const [first, second] = await readNow(sut);

        await sut.deadLetter(first!, 'it does not scan');

        expect(await harness.deadLetters()).toEqual([
          expect.objectContaining({
            id: bad.id,
            message: bad.message,
            timestamp: new Date(bad.timestampMs).toISOString(),
            user_id: 'ada',
            traceparent: 'tp',
            error: 'it does not scan',
            deliveries: '1',
            dead_lettered_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/) as unknown,
          }),
        ]);
        await sut.acknowledge([second!]);
        expect(await sut.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 1 });
        expect(await harness.storedEntries()).toBe(0);
      });

      it('take an entry once, and none that was acknowledged', async () => {
        const sut = await harness.open('a');
        await sut.append(entryOf('twice'));
        await sut.append(entryOf('done'));
        const [twice, done] = await readNow(sut);

        await sut.deadLetter(twice!, 'broken');
        await sut.deadLetter(twice!, 'broken');
        await sut.acknowledge([done!]);
        await sut.deadLetter(done!, 'too late');

        expect((await sut.statistics()).deadLetters).toBe(1);
      });

      it('get the entry and acknowledge it, or do neither', async () => {
        const sut = await harness.open('a');
        await sut.append(entryOf('bad'));
        const [bad] = await readNow(sut);
        const allow = await harness.refuseDeadLetters();

        await expect(sut.deadLetter(bad!, 'broken')).rejects.toThrow(StreamUnavailableError);
        expect(await harness.storedEntries()).toBe(1);

        await allow();
        const restarted = await harness.open('a');
        const [again] = await readNow(restarted);
        expect(again?.entry.message).toBe('bad');
        await restarted.deadLetter(again!, 'broken');
        expect(await restarted.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 1 });
      });

      it.each([
        ['an unknown role', { role: 'alien' }, /role/],
        ['no date', { timestamp: 'yesterday' }, /timestamp/],
        ['no id', { id: '' }, /id/],
        // On a cluster its keys would have no hash tag, and lie on several slots.
        ['no user', { user_id: '' }, /user_id/],
      ])('get an entry that cannot be decoded, and the others pass it: %s', async (_, wrong, problem) => {
        const sut = await harness.open('a');
        await sut.append(entryOf('before'));
        const stored = {
          id: newId(),
          message: 'undecodable',
          timestamp: '2026-01-01T00:00:00.000Z',
          user_id: 'u',
          session_id: 's',
          role: 'user',
          context: '',
        };
        await harness.appendFields({ ...stored, ...wrong });
        await sut.append(entryOf('after'));

        expect(messagesOf(await readNow(sut))).toEqual(['before', 'after']);

        const letters = await harness.deadLetters();
        expect(letters).toEqual([
          expect.objectContaining({ message: 'undecodable', error: expect.stringMatching(problem) as unknown }),
        ]);
        expect(await sut.statistics()).toEqual({ lag: 0, pending: 2, deadLetters: 1 });
      });

      it('get an undecodable entry without ending the read that waits', async () => {
        const sut = await harness.open('a');
        const reading = sut.read({ count: 10, blockMs: LONG_MS, signal: never });
        await letItWait();
        await harness.appendFields({ id: newId(), message: 'no role' });
        await (await harness.open('b')).append(entryOf('good'));

        expect(messagesOf(await reading)).toEqual(['good']);
      });
    });

    describe('forgetting a user', () => {
      it('removes what is unread, pending and dead of that user, and nothing else', async () => {
        const sut = await harness.open('a');
        const bob = { userId: 'bob' };
        await sut.append(entryOf('bob dead', bob));
        await sut.append(entryOf('ada dead'));
        for (const delivered of await readNow(sut)) await sut.deadLetter(delivered, 'bad');
        await sut.append(entryOf('bob pending', bob));
        await sut.append(entryOf('ada pending'));
        const held = await readNow(sut);
        await sut.append(entryOf('bob unread', bob));
        await sut.append(entryOf('ada unread'));

        expect(await sut.forget('bob')).toBe(3);

        expect(await sut.statistics()).toEqual({ lag: 1, pending: 1, deadLetters: 1 });
        expect(await harness.deadLetters()).toMatchObject([{ message: 'ada dead' }]);
        await sut.acknowledge(held);
        expect(messagesOf(await readNow(sut))).toEqual(['ada unread']);
      });

      it('reaches every entry of a long stream, and does not take a resend for new', async () => {
        const sut = await harness.open('a');
        const entries = numbered(1_200).map((entry, index) => ({ ...entry, userId: index % 3 === 0 ? 'bob' : 'ada' }));
        await Promise.all(entries.map((entry) => sut.append(entry)));

        expect(await sut.forget('bob')).toBe(400);
        await sut.append(entries[0]!);

        expect(await harness.storedEntries()).toBe(800);
        expect(await sut.forget('bob')).toBe(0);
      });

      it('reaches what other programs appended, and nothing that comes later', async () => {
        const sut = await harness.open('a');
        const foreign = (message: string) =>
          harness.appendFields({
            ...{ id: newId(), message, timestamp: '2999-01-01T00:00:00.000Z', user_id: 'bob', session_id: 's' },
            ...{ role: 'user', context: '' },
          });
        await foreign('before');
        await sut.forget('bob');
        await foreign('after');

        expect(messagesOf(await readNow(sut))).toEqual(['after']);
        expect(await sut.statistics()).toEqual({ lag: 0, pending: 1, deadLetters: 0 });
      });

      it('does not take users for each other whose names are alike', async () => {
        const sut = await harness.open('a');
        const names = ['a', 'a:', 'a:1', 'a\u0000', '1:a', 'ä'];
        for (const userId of names) await sut.append(entryOf(`of ${userId}`, { userId }));

        expect(await sut.forget('a')).toBe(1);

        expect(messagesOf(await readNow(sut))).toEqual(names.slice(1).map((userId) => `of ${userId}`));
      });
    });

    it('tells how far the group is behind', async () => {
      const sut = await harness.open('a');
      expect(await sut.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 0 });
      for (const entry of numbered(10)) await sut.append(entry);
      expect(await sut.statistics()).toEqual({ lag: 10, pending: 0, deadLetters: 0 });

      const delivered = await readNow(sut, 6);
      await sut.acknowledge([...delivered.slice(0, 1), ...delivered.slice(3, 4)]);

      expect(await sut.statistics()).toEqual({ lag: 4, pending: 4, deadLetters: 0 });
    });

    describe('while the store cannot be reached', () => {
      it('fails with StreamUnavailableError, and works again afterwards with nothing lost', async () => {
        const sut = await harness.open('a');
        await sut.check();
        for (const entry of numbered(3)) await sut.append(entry);
        const held = await readNow(sut, 1);
        const resent = entryOf('resent');

        const end = await harness.beginOutage();
        const calls = [
          sut.append(resent),
          sut.acknowledge(held),
          sut.renew(held),
          sut.deadLetter(held[0]!, 'x'),
          sut.read({ count: 1, blockMs: 100, signal: never }),
          sut.check(),
        ];
        const outcomes = await Promise.allSettled(calls);
        for (const outcome of outcomes) {
          expect(outcome).toMatchObject({
            status: 'rejected',
            reason: { code: 'STREAM_UNAVAILABLE', httpStatus: 503, transient: true },
          });
        }

        await end();
        await onceAvailable(() => sut.append(resent));
        await sut.append(resent);
        const delivered = await onceAvailable(() => readNow(sut));
        expect(messagesOf(delivered)).toEqual(['message 1', 'message 2', 'resent']);
        await sut.check();
        await sut.acknowledge(held);
        expect(await sut.statistics()).toEqual({ lag: 0, pending: 3, deadLetters: 0 });
      });

      it('fails all appends that are under way, so that they keep their order when they are resent', async () => {
        const sut = await harness.open('a');
        const entries = numbered(600);

        const end = await harness.beginOutage();
        const outcomes = await Promise.allSettled(entries.map((entry) => sut.append(entry)));
        await end();

        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toEqual([]);
        await onceAvailable(() => Promise.all(entries.map((entry) => sut.append(entry))));
        expect(messagesOf(await onceAvailable(() => readNow(sut, 1_000)))).toEqual(
          entries.map(({ message }) => message),
        );
      });

      it('ends a waiting read on abort all the same', async () => {
        const sut = await harness.open('a');
        const abort = new AbortController();
        const reading = sut.read({ count: 1, blockMs: LONG_MS, signal: abort.signal }).catch((error: unknown) => error);
        await letItWait();
        const end = await harness.beginOutage();
        const start = performance.now();

        abort.abort();

        const outcome = await reading;
        expect(outcome instanceof StreamUnavailableError ? [] : outcome).toEqual([]);
        expect(performance.now() - start).toBeLessThan(LONG_MS / 2);
        await end();
      });
    });
  });
}
