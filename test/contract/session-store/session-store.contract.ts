import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { setTimeout as pause } from 'node:timers/promises';
import type { SessionLimits } from '../../../src/sessions/session-limits.js';
import type { SessionStore, Turn } from '../../../src/sessions/session-store.port.js';
import { SessionStoreUnavailableError } from '../../../src/sessions/sessions.errors.js';
import { AWKWARD_NAMES } from '../../support/awkward-names.js';

/** One backing, empty at first, and what a test must be able to do to it behind the adapter's back. */
export interface SessionStoreHarness {
  /** A store as a process of its own would have it: nothing shared but the backing. */
  open(limits?: Partial<SessionLimits>): Promise<SessionStore>;
  /** Takes the backing away until the returned function is called. */
  beginOutage(): Promise<() => Promise<void>>;
  /** Makes the oldest turn of session `s` of user `ada` unreadable. */
  damageTurn(): Promise<void>;
  /** Closes every store that was opened, as the end of the processes would. */
  closeAll(): Promise<void>;
  dispose(): Promise<void>;
}

const turnOf = (text: string, more: Partial<Turn> = {}): Turn => ({
  role: 'user',
  text,
  atMs: 1_790_000_000_123,
  isPrivate: false,
  ...more,
});
const pairOf = (name: string): Turn[] => [turnOf(`${name} ?`), turnOf(`${name} !`, { role: 'assistant' })];
const textsOf = (turns: readonly Turn[]): string[] => turns.map(({ text }) => text);
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);

/** What every adapter of the port has to do; the port's comment, in tests. */
export function describeSessionStore(name: string, makeHarness: () => Promise<SessionStoreHarness>): void {
  describe(`SessionStore: ${name}`, () => {
    let harness: SessionStoreHarness;

    beforeAll(() => {
      Logger.overrideLogger(false);
    });

    beforeEach(async () => {
      harness = await makeHarness();
    });

    afterEach(async () => {
      await harness.dispose();
    });

    it('leaves out a turn that cannot be read, and names it', async () => {
      const sut = await harness.open();
      await sut.append('ada', 's', [turnOf('damaged'), turnOf('sound')]);
      await harness.damageTurn();

      for (let time = 0; time < 2; time++) expect(textsOf(await sut.turns('ada', 's'))).toEqual(['sound']);

      expect(sut.undecodable.count).toBe(1);
      expect(sut.undecodable.last).toBe('turn of session s');
    });

    describe('appending', () => {
      it('keeps turns in the order of their appends, with every field', async () => {
        const sut = await harness.open();
        const turns = [
          turnOf('hello', { atMs: 3 }),
          turnOf('hi', { role: 'assistant', atMs: 2, isPrivate: true }),
          turnOf('how are you?', { atMs: 1_790_000_000_456 }),
        ];

        await sut.append('ada', 's', turns.slice(0, 2));
        await sut.append('ada', 's', turns.slice(2));

        expect(await sut.turns('ada', 's')).toEqual(turns);
      });

      it('knows no turns of a session that nothing was appended to', async () => {
        const sut = await harness.open();

        await sut.append('ada', 's', []);

        expect(await sut.turns('ada', 's')).toEqual([]);
        expect(await sut.forget('ada', 'mark')).toBe(0);
      });

      it.each([
        ['nothing', ''],
        ['emoji and joiners', '👩‍👩‍👧‍👦 👍🏽 🇮🇸'],
        ['NUL and control characters', 'a\u0000b\u0001\u001b[31m\u007f'],
        ['line breaks and quotes', `one\r\ntwo\n"three" 'four' \\ \t`],
        ['a million characters', 'ключ🔑'.repeat(142_858)],
      ])('keeps a text exactly: %s', async (_, text) => {
        const sut = await harness.open();

        await sut.append('ada', 's', [turnOf(text)]);

        const [turn] = await sut.turns('ada', 's');
        expect(turn?.text === text).toBe(true);
      });

      it('keeps the turns of one append next to each other, whoever else appends', async () => {
        const stores = [await harness.open({ maxTurns: 200 }), await harness.open({ maxTurns: 200 })];

        await Promise.all(range(40).map((i) => stores[i % 2]!.append('ada', 's', pairOf(String(i)))));

        const texts = textsOf(await stores[0]!.turns('ada', 's'));
        const pairs = range(40).map((i) => texts.slice(2 * i, 2 * i + 2));
        expect(pairs.map((pair) => pair.join(' ')).sort()).toEqual(
          range(40)
            .map((i) => textsOf(pairOf(String(i))).join(' '))
            .sort(),
        );
      });
    });

    describe('bounds', () => {
      it('keeps the newest turns', async () => {
        const sut = await harness.open({ maxTurns: 5 });
        for (const i of range(4)) await sut.append('ada', 's', pairOf(String(i)));

        expect(textsOf(await sut.turns('ada', 's'))).toEqual(['1 !', '2 ?', '2 !', '3 ?', '3 !']);
      });

      it('keeps the newest turns of one append that is longer than a session may be', async () => {
        const sut = await harness.open({ maxTurns: 3 });

        await sut.append(
          'ada',
          's',
          range(10).map((i) => turnOf(String(i))),
        );

        expect(textsOf(await sut.turns('ada', 's'))).toEqual(['7', '8', '9']);
      });

      it('lets a session vanish when its time is over, and begins anew with the next turn', async () => {
        const sut = await harness.open({ ttlMs: 100 });
        await sut.append('ada', 's', pairOf('old'));

        await pause(150);

        expect(await sut.turns('ada', 's')).toEqual([]);
        expect(await sut.forget('ada', 'mark')).toBe(0);
        await (await harness.open({ ttlMs: 60_000 })).append('ada', 's', pairOf('new'));
        expect(textsOf(await sut.turns('ada', 's'))).toEqual(['new ?', 'new !']);
      });

      it('does not put new turns behind those of an expired session', async () => {
        const sut = await harness.open({ ttlMs: 100 });
        await sut.append('ada', 's', pairOf('old'));
        await pause(150);

        await (await harness.open({ ttlMs: 60_000 })).append('ada', 's', pairOf('new'));

        expect(textsOf(await sut.turns('ada', 's'))).toEqual(['new ?', 'new !']);
      });

      it('starts the time of the whole session anew with every append', async () => {
        // Together longer than a life, apart much shorter, so that a slow machine makes no difference.
        const sut = await harness.open({ ttlMs: 3_000 });
        await sut.append('ada', 's', pairOf('first'));
        await pause(1_600);
        await sut.append('ada', 's', pairOf('second'));
        await pause(1_600);

        expect(textsOf(await sut.turns('ada', 's'))).toEqual(['first ?', 'first !', 'second ?', 'second !']);
      });
    });

    describe('isolation', () => {
      it('tells all users and all sessions apart, whatever their names', async () => {
        const sut = await harness.open();
        const keys = [
          ...AWKWARD_NAMES.map((user) => ({ user, session: 's' })),
          ...AWKWARD_NAMES.map((session) => ({ user: 'someone', session })),
          { user: 'a', session: 'b:c' },
          { user: 'a:b', session: 'c' },
          { user: 'ab', session: 'c' },
          { user: 'a', session: 'bc' },
        ];
        await Promise.all(
          keys.map(({ user, session }) => sut.append(user, session, [turnOf(JSON.stringify([user, session]))])),
        );

        for (const { user, session } of keys) {
          expect(textsOf(await sut.turns(user, session))).toEqual([JSON.stringify([user, session])]);
        }
      });

      it('forgets all sessions of one user and none of another, whatever their names', async () => {
        const sut = await harness.open();
        await Promise.all(
          AWKWARD_NAMES.flatMap((user) => ['s-1', 's-2'].map((session) => sut.append(user, session, pairOf(user)))),
        );
        const left = new Set(AWKWARD_NAMES);

        for (const user of AWKWARD_NAMES.filter((_, index) => index % 2 === 0)) {
          expect(await sut.forget(user, 'mark')).toBe(2);
          left.delete(user);
        }

        for (const user of AWKWARD_NAMES) {
          const expected = left.has(user) ? textsOf(pairOf(user)) : [];
          expect(textsOf(await sut.turns(user, 's-1'))).toEqual(expected);
          expect(textsOf(await sut.turns(user, 's-2'))).toEqual(expected);
        }
        expect(await sut.forget(AWKWARD_NAMES[0]!, 'mark')).toBe(0);
      });

      it('begins anew after it forgot', async () => {
        const sut = await harness.open();
        await sut.append('ada', 's', pairOf('old'));
        await sut.forget('ada', 'mark');

        await sut.append('ada', 's', pairOf('new'), await sut.forgetMark('ada'));

        expect(textsOf(await sut.turns('ada', 's'))).toEqual(['new ?', 'new !']);
        expect(await sut.forget('ada', 'mark')).toBe(1);
      });
    });

    it('adds no turn of a chat that began before its user was forgotten, whatever the clocks say', async () => {
      const [here, there] = [await harness.open(), await harness.open()];
      const now = jest.spyOn(Date, 'now');
      const realNow = (): number => performance.timeOrigin + performance.now();
      try {
        for (const shiftMs of [600_000, -600_000]) {
          const before = await here.forgetMark('ada');
          now.mockImplementation(() => realNow() + shiftMs);
          await there.forget('ada', `shifted by ${shiftMs}`);
          now.mockImplementation(realNow);

          await here.append('ada', 's', pairOf('in flight'), before);
          expect(await here.turns('ada', 's')).toEqual([]);
          const after = await here.forgetMark('ada');
          expect(after).toBe(`shifted by ${shiftMs}`);
          await here.append('ada', 's', pairOf('anew'), after);
          expect(textsOf(await here.turns('ada', 's'))).toEqual(['anew ?', 'anew !']);
        }
        await here.append('bob', 's', pairOf('of another'), '');
        expect(await here.turns('bob', 's')).toHaveLength(2);
      } finally {
        now.mockRestore();
      }
    });

    it('shows one process what another appended, also after a restart', async () => {
      const writer = await harness.open();
      const reader = await harness.open();
      await writer.append('ada', 's', pairOf('1'));
      expect(textsOf(await reader.turns('ada', 's'))).toEqual(['1 ?', '1 !']);

      await harness.closeAll();

      expect(textsOf(await (await harness.open()).turns('ada', 's'))).toEqual(['1 ?', '1 !']);
    });

    it('fails with SessionStoreUnavailableError while the store is unreachable, and works afterwards', async () => {
      const sut = await harness.open();
      await sut.append('ada', 's', pairOf('before'));

      const end = await harness.beginOutage();
      const outcomes = await Promise.allSettled([
        sut.append('bob', 's', pairOf('meanwhile')),
        sut.turns('ada', 's'),
        sut.forget('ada', 'mark'),
      ]);
      for (const outcome of outcomes) {
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: { code: 'SESSION_STORE_UNAVAILABLE', httpStatus: 503, transient: true },
        });
      }

      await end();
      expect(textsOf(await onceAvailable(() => sut.turns('ada', 's')))).toEqual(['before ?', 'before !']);
      await sut.append('ada', 's', pairOf('after'));
      expect(await sut.turns('ada', 's')).toHaveLength(4);
    });
  });
}

/** Tries until the adapter has found its store again. */
async function onceAvailable<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof SessionStoreUnavailableError)) throw error;
      await pause(50);
    }
  }
}
