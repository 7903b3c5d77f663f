import { Logger } from '@nestjs/common';
import { newId } from '../../../src/shared/index.js';
import type { DeadLetterStore, InputStream, StreamEntry } from '../../../src/stream/index.js';
import {
  entryOf,
  type InputStreamHarness,
  letItWait,
  LONG_MS,
  messagesOf,
  never,
  onceAvailable,
  readNow,
} from '../input-stream/input-stream.fixtures.js';

/** What every adapter of the port has to do; the port's comment, in tests. */
export function describeDeadLetterStore(name: string, makeHarness: () => Promise<InputStreamHarness>): void {
  describe(`DeadLetterStore: ${name}`, () => {
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

    const wrongEntry = {
      id: newId(),
      message: 'undecodable',
      timestamp: '2026-01-01T00:00:00.000Z',
      user_id: 'u',
      session_id: 's',
      role: 'alien',
      context: '',
    };

    /** Appends an entry of each message and gives all of them up. */
    async function bury(stream: InputStream, ...messages: string[]): Promise<StreamEntry[]> {
      const entries = messages.map((message) => entryOf(message));
      for (const entry of entries) await stream.append(entry);
      for (const delivered of await readNow(stream))
        await stream.deadLetter(delivered, `no: ${delivered.entry.message}`);
      return entries;
    }

    const handlesOf = async (store: DeadLetterStore): Promise<string[]> =>
      (await store.list({ limit: 100 })).map(({ handle }) => handle);

    it('are shown oldest first, whole, with what is known of them', async () => {
      const stream = await harness.open('a');
      const sut = await harness.openDeadLetters();
      const startedAtMs = Date.now();
      const entries = await bury(stream, 'first \u0000', 'second 🔥');

      const letters = await sut.list({ limit: 10 });

      expect(letters.map(({ entry }) => entry)).toEqual(entries);
      expect(letters[0]).toEqual({
        handle: expect.any(String),
        entry: entries[0],
        fieldNames: ['id', 'message', 'timestamp', 'user_id', 'session_id', 'role', 'context'],
        error: 'no: first \u0000',
        deliveries: 1,
        capturedAtMs: entries[0]?.timestampMs,
        deadLetteredAtMs: expect.any(Number),
      });
      expect(letters[0]!.deadLetteredAtMs).toBeGreaterThanOrEqual(startedAtMs);
      expect(await sut.find(letters[1]!.handle)).toEqual(letters[1]);
    });

    it('come in pages that follow each other, also when the last one shown has gone', async () => {
      const stream = await harness.open('a');
      const sut = await harness.openDeadLetters();
      await bury(stream, '0', '1', '2', '3', '4');
      const messagesAfter = async (after?: string): Promise<(string | undefined)[]> =>
        (await sut.list({ limit: 2, ...(after !== undefined && { after }) })).map(({ entry }) => entry?.message);
      const handles = await handlesOf(sut);

      expect(await messagesAfter()).toEqual(['0', '1']);
      await sut.drop(handles[1]!);
      expect(await messagesAfter(handles[1])).toEqual(['2', '3']);
      expect(await messagesAfter(handles[3])).toEqual(['4']);
      expect(await messagesAfter(handles[4])).toEqual([]);
    });

    it('are requeued to the end of the stream, once, though two ask at the same time', async () => {
      const stream = await harness.open('a');
      const sut = await harness.openDeadLetters();
      const other = await harness.openDeadLetters();
      const [entry] = await bury(stream, 'again');
      await stream.append(entryOf('in the line already'));
      const [handle] = await handlesOf(sut);

      const outcomes = await Promise.allSettled([sut.requeue(handle!), other.requeue(handle!), sut.requeue(handle!)]);

      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toEqual([{ status: 'fulfilled', value: entry }]);
      for (const outcome of outcomes.filter(({ status }) => status === 'rejected')) {
        expect(outcome).toMatchObject({ reason: { code: 'DEAD_LETTER_NOT_FOUND', httpStatus: 404 } });
      }
      expect(await stream.statistics()).toEqual({ lag: 2, pending: 0, deadLetters: 0 });
      const delivered = await readNow(stream);
      expect(messagesOf(delivered)).toEqual(['in the line already', 'again']);
      expect(delivered[1]).toMatchObject({ entry, deliveries: 1 });
    });

    it('are processed once after it, and a resend of them is still ignored', async () => {
      const stream = await harness.open('a');
      const sut = await harness.openDeadLetters();
      const [entry] = await bury(stream, 'again');
      await sut.requeue((await handlesOf(sut))[0]!);

      await stream.append(entry!);
      const delivered = await readNow(stream);
      await stream.append(entry!);
      await stream.acknowledge(delivered);
      await stream.append(entry!);

      expect(messagesOf(delivered)).toEqual(['again']);
      expect(await readNow(stream)).toEqual([]);
      expect(await harness.storedEntries()).toBe(0);
      expect(await stream.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 0 });
    });

    it('wake a read that waits when they are requeued', async () => {
      const stream = await harness.open('a');
      const sut = await harness.openDeadLetters();
      await bury(stream, 'again');
      const [handle] = await handlesOf(sut);
      const start = performance.now();
      const reading = stream.read({ count: 10, blockMs: LONG_MS, signal: never });
      await letItWait();

      await sut.requeue(handle!);

      expect(messagesOf(await reading)).toEqual(['again']);
      expect(performance.now() - start).toBeLessThan(LONG_MS / 2);
    });

    it('come back under another handle when they fail again', async () => {
      const stream = await harness.open('a');
      const sut = await harness.openDeadLetters();
      const [entry] = await bury(stream, 'hopeless');
      const [first] = await handlesOf(sut);
      await sut.requeue(first!);

      const [delivered] = await readNow(stream);
      await stream.deadLetter(delivered!, 'still no');

      const letters = await sut.list({ limit: 10 });
      expect(letters).toMatchObject([{ entry, error: 'still no', deliveries: 1 }]);
      expect(letters[0]?.handle).not.toBe(first);
      await expect(sut.find(first!)).rejects.toMatchObject({ code: 'DEAD_LETTER_NOT_FOUND' });
      await sut.requeue(letters[0]!.handle);
      expect(messagesOf(await readNow(stream))).toEqual(['hopeless']);
    });

    it('are dropped for good, alone', async () => {
      const stream = await harness.open('a');
      const sut = await harness.openDeadLetters();
      await bury(stream, 'dropped', 'kept');
      const [dropped, kept] = await handlesOf(sut);

      await sut.drop(dropped!);

      expect(await handlesOf(sut)).toEqual([kept]);
      for (const call of [sut.drop(dropped!), sut.requeue(dropped!), sut.find(dropped!)]) {
        await expect(call).rejects.toMatchObject({ code: 'DEAD_LETTER_NOT_FOUND' });
      }
      expect(await stream.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 1 });
    });

    it('are named by their fields and refuse to be requeued where they cannot be decoded', async () => {
      const stream = await harness.open('a');
      const sut = await harness.openDeadLetters();
      await harness.appendFields(wrongEntry);
      await readNow(stream);

      const [letter] = await sut.list({ limit: 10 });
      expect(letter).toMatchObject({
        entry: null,
        fieldNames: ['id', 'message', 'timestamp', 'user_id', 'session_id', 'role', 'context'],
        error: expect.stringContaining('role') as unknown,
        capturedAtMs: expect.any(Number) as unknown,
      });
      await expect(sut.requeue(letter!.handle)).rejects.toMatchObject({
        code: 'DEAD_LETTER_UNDECODABLE',
        httpStatus: 422,
        transient: false,
        message: expect.stringContaining('role') as unknown,
      });

      expect(await stream.statistics()).toEqual({ lag: 0, pending: 0, deadLetters: 1 });
      await sut.drop(letter!.handle);
      expect(await handlesOf(sut)).toEqual([]);
    });

    it.each(['', '0', '1-1', '-', '+', '(1-1', 'no such', '9'.repeat(30), `${'9'.repeat(30)}-1`, '1e3', '١'])(
      'are not found by %p, which is no handle of theirs',
      async (handle) => {
        const stream = await harness.open('a');
        const sut = await harness.openDeadLetters();
        await bury(stream, 'there');
        for (const call of [sut.find(handle), sut.requeue(handle), sut.drop(handle)]) {
          await expect(call).rejects.toMatchObject({ code: 'DEAD_LETTER_NOT_FOUND' });
        }
        expect(await handlesOf(sut)).toHaveLength(1);
      },
    );

    it('stay while the store cannot be reached, and can be requeued afterwards', async () => {
      const stream = await harness.open('a');
      const sut = await harness.openDeadLetters();
      await bury(stream, 'patient');
      const [handle] = await handlesOf(sut);

      const end = await harness.beginOutage();
      for (const outcome of await Promise.allSettled([sut.requeue(handle!), sut.drop(handle!)])) {
        expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'STREAM_UNAVAILABLE' } });
      }

      await end();
      await onceAvailable(() => sut.requeue(handle!));
      expect(messagesOf(await onceAvailable(() => readNow(stream)))).toEqual(['patient']);
    });

    it('are counted', async () => {
      const stream = await harness.open('a');
      const sut = await harness.openDeadLetters();
      expect(await sut.count()).toBe(0);

      await bury(stream, 'first', 'second');
      const [first] = await handlesOf(sut);
      await sut.drop(first!);

      expect(await sut.count()).toBe(1);
    });
  });
}
