import type { SessionStore } from '../../sessions/index.js';
import type { InputStream } from '../../stream/index.js';
import { ForgetService } from './forget.service.js';
import { ForgetBusyError } from '../memory.errors.js';
import type { MemoryStore } from '../store/memory-store.port.js';

describe(ForgetService.name, () => {
  let release: (() => void)[];
  let running: number;
  let most: number;
  let marks: string[];
  let sut: ForgetService;

  beforeEach(() => {
    release = [];
    running = 0;
    most = 0;
    marks = [];
    const stream = {
      forget: async () => {
        running += 1;
        most = Math.max(most, running);
        await new Promise<void>((resolve) => release.push(resolve));
        running -= 1;
        return 1;
      },
    } as unknown as InputStream;
    const store = {
      forget: async (_: string, mark: string) => {
        marks.push(mark);
        return 2;
      },
    };
    sut = new ForgetService(store as unknown as MemoryStore, store as unknown as SessionStore, stream);
  });

  const settle = async (): Promise<void> => {
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  };

  it('marks sessions and memories alike, with another mark each time', async () => {
    for (let time = 0; time < 2; time++) {
      const forgotten = sut.forget('ada');
      await settle();
      release.shift()!();
      expect(await forgotten).toEqual({ memories: 2, sessions: 2, entries: 1 });
    }

    expect(marks[0]).toBe(marks[1]);
    expect(marks[2]).toBe(marks[3]);
    expect(new Set(marks).size).toBe(2);
  });

  it('forgets few at once, has some wait, and refuses more at once', async () => {
    const accepted = Array.from({ length: 4 + 64 }, (_, index) => sut.forget(`user ${index}`));
    await settle();

    await expect(sut.forget('one too many')).rejects.toThrow(ForgetBusyError);

    let left = accepted.length;
    while (left-- > 0) {
      await settle();
      release.shift()!();
    }
    await Promise.all(accepted);
    expect(most).toBe(4);
    const afterwards = sut.forget('again');
    await settle();
    release.shift()!();
    expect(await afterwards).toMatchObject({ entries: 1 });
  });

  it('gives its place to the next where a store fails', async () => {
    const failing = new ForgetService(
      {} as MemoryStore,
      {} as SessionStore,
      { forget: () => Promise.reject(new Error('away')) } as unknown as InputStream,
    );

    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => failing.forget('ada')));

    expect(new Set(outcomes.map((outcome) => String((outcome as PromiseRejectedResult).reason)))).toEqual(
      new Set(['Error: away']),
    );
  });
});
