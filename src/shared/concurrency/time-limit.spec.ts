import { getEventListeners } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Deadline, TimeLimitError, withTimeLimit } from './time-limit.js';

describe(withTimeLimit.name, () => {
  it('passes on what the work comes to', async () => {
    await expect(withTimeLimit(1_000, async () => 7)).resolves.toBe(7);
    await expect(withTimeLimit(1_000, () => Promise.reject(new Error('broken')))).rejects.toThrow('broken');
  });

  it('gives up after the limit, and tells the work', async () => {
    let told: AbortSignal | undefined;
    const slow = withTimeLimit(20, async (signal) => {
      told = signal;
      await pause(60_000, undefined, { signal });
    });

    await expect(slow).rejects.toBeInstanceOf(TimeLimitError);
    expect(told?.aborted).toBe(true);
  });

  it('names the time limit although the work, told of it, fails first with an error of its own', async () => {
    const stopped = withTimeLimit(
      10,
      (signal) =>
        new Promise((_, reject) => {
          signal.addEventListener('abort', () => {
            reject(new DOMException('stopped', 'AbortError'));
          });
        }),
    );

    await expect(stopped).rejects.toBeInstanceOf(TimeLimitError);
  });

  it('does not wait for work that does not listen, nor trip over how it ends', async () => {
    const end = Promise.withResolvers<never>();
    const deaf = withTimeLimit(10, () => end.promise);

    await expect(deaf).rejects.toThrow('not done within 10 ms');
    end.reject(new Error('too late to matter'));
    // A rejection that nobody handles is told by now.
    await new Promise(setImmediate);
  });

  it('ends with the reason of its caller', async () => {
    const caller = new AbortController();
    const work = withTimeLimit(60_000, (signal) => pause(60_000, undefined, { signal }), caller.signal);
    caller.abort(new Error('gone'));

    await expect(work).rejects.toThrow('gone');
    await expect(withTimeLimit(60_000, async () => 1, AbortSignal.abort(new Error('before')))).rejects.toThrow(
      'before',
    );
  });
});

describe(Deadline.name, () => {
  it('aborts its signal when the time is over, and says that it was the time', async () => {
    const sut = new Deadline(10);
    await expect(pause(60_000, undefined, { signal: sut.signal })).rejects.toThrow('aborted');
    expect(sut).toMatchObject({ timedOut: true, remainingMs: 0 });
    expect(sut.signal.reason).toBeInstanceOf(TimeLimitError);
  });

  it('is ended by its caller, whose time limit is not its own', async () => {
    const caller = new AbortController();
    const sut = new Deadline(60_000, caller.signal);
    caller.abort(new TimeLimitError(5));
    expect(sut.signal.aborted).toBe(true);
    expect(sut.signal.reason).toBe(caller.signal.reason);
    expect(sut.timedOut).toBe(false);
    sut.dispose();
    expect(new Deadline(0, caller.signal).signal.aborted).toBe(true);
  });

  it('leaves no listener with a caller that lives on', () => {
    const caller = new AbortController();
    const sut = new Deadline(60_000, caller.signal);
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(1);
    sut.dispose();
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
  });
});
