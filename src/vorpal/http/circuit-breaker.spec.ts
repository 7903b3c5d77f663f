import { jest } from '@jest/globals';
import { Deadline, isAbortError } from '../../shared/index.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { VorpalOverloadedError, VorpalRequestError, VorpalTimeoutError, VorpalUnavailableError } from '../index.js';

const URL = 'http://vorpal:8000';
const OPEN_MS = 5_000;
const LONG_MS = 60_000;

const gone = new VorpalUnavailableError('connection refused');
const late = new VorpalTimeoutError('no answer');

describe(CircuitBreaker.name, () => {
  const probe = jest.fn<(signal?: AbortSignal) => Promise<void>>();
  const deadlines: Deadline[] = [];
  let sut: CircuitBreaker;

  beforeEach(() => {
    probe.mockReset().mockResolvedValue();
    sut = new CircuitBreaker('Vorpal', { breakerFailures: 2, breakerOpenMs: OPEN_MS }, probe);
  });

  afterEach(() => {
    for (const deadline of deadlines.splice(0)) deadline.dispose();
    jest.restoreAllMocks();
  });

  const deadline = (caller?: AbortSignal): Deadline => {
    const one = new Deadline(LONG_MS, caller);
    deadlines.push(one);
    return one;
  };
  const work = jest.fn<() => Promise<string>>();
  const run = (outcome: Error | string, url = URL, caller?: AbortSignal): Promise<unknown> => {
    work.mockReset();
    if (typeof outcome === 'string') work.mockResolvedValue(outcome);
    else work.mockRejectedValue(outcome);
    return sut.run(url, work, deadline(caller)).catch((error: unknown) => error);
  };
  const open = async (): Promise<void> => {
    for (let count = 0; count < 2; count++) await run(gone);
    expect(sut.closed).toBe(false);
  };
  const afterItsPause = (): void => {
    const later = Date.now() + OPEN_MS;
    jest.spyOn(Date, 'now').mockReturnValue(later);
  };

  it('passes results and failures on', async () => {
    expect(await run('answer')).toBe('answer');
    expect(await run(gone)).toBe(gone);
    expect(await run(new TypeError('a fault'))).toBeInstanceOf(TypeError);
  });

  it('opens after failures in a row: calls then fail at once, with the reason and when to come back', async () => {
    await open();
    const error = await run('answer');
    expect(error).toMatchObject({ code: 'VORPAL_UNAVAILABLE', retryAfterSeconds: OPEN_MS / 1_000 });
    expect(String(error)).toContain('connection refused');
    expect(work).not.toHaveBeenCalled();
    expect(probe).not.toHaveBeenCalled();
  });

  it('does not count failures over an answer', async () => {
    for (const outcome of [gone, 'answer', gone, 'answer']) await run(outcome);
    expect(sut.closed).toBe(true);
  });

  it.each([
    ['overload', new VorpalOverloadedError('the queue is full')],
    ['refusals', new VorpalRequestError('no')],
  ])('does not count %s', async (_, error) => {
    for (let count = 0; count < 5; count++) expect(await run(error)).toBe(error);
    expect(sut.closed).toBe(true);
    expect(probe).not.toHaveBeenCalled();
  });

  describe('asks a server that lets calls time out whether it is alive', () => {
    it('and stays closed if it is: it is full, not broken', async () => {
      for (let count = 0; count < 5; count++) expect(await run(late)).toBe(late);
      expect(sut.closed).toBe(true);
      expect(probe).toHaveBeenCalledTimes(5);
    });

    it('and counts the time-outs if it is not', async () => {
      probe.mockRejectedValue(late);
      for (let count = 0; count < 2; count++) expect(await run(late)).toBe(late);
      expect(sut.closed).toBe(false);
    });

    it('once for all calls that end together', async () => {
      const answer = Promise.withResolvers<undefined>();
      probe.mockReturnValue(answer.promise);
      const calls = Array.from({ length: 5 }, () => run(late));
      answer.resolve(undefined);
      await Promise.all(calls);
      expect(probe).toHaveBeenCalledTimes(1);
    });

    it('without keeping a caller who leaves', async () => {
      const caller = new AbortController();
      probe.mockImplementation(() => {
        caller.abort();
        return new Promise(() => undefined);
      });
      expect(isAbortError(await run(late, URL, caller.signal))).toBe(true);
    });
  });

  describe('after its pause', () => {
    beforeEach(async () => {
      await open();
      afterItsPause();
    });

    it('closes by a probe that all calls share, and lets them through', async () => {
      expect(await Promise.all([run('a'), run('b'), run('c')])).toHaveLength(3);
      expect(work).toHaveBeenCalled();
      expect(probe).toHaveBeenCalledTimes(1);
      expect(sut.closed).toBe(true);
    });

    it('stays open if the probe fails, and sends no call', async () => {
      probe.mockRejectedValue(new VorpalUnavailableError('still loading'));
      expect(String(await run('answer'))).toContain('still loading');
      expect(String(await run('answer'))).toContain('not called for a while: still loading');
      expect(work).not.toHaveBeenCalled();
      expect(probe).toHaveBeenCalledTimes(1);
    });

    it('does not keep a caller who leaves during the probe', async () => {
      const caller = new AbortController();
      probe.mockImplementation(() => {
        caller.abort();
        return new Promise(() => undefined);
      });
      expect(isAbortError(await run('answer', URL, caller.signal))).toBe(true);
    });
  });

  describe('asked for the health of the server', () => {
    const check = (): Promise<unknown> => sut.check(URL).catch((error: unknown) => error);

    it('asks the server while it is closed; the answer opens nothing', async () => {
      expect(await check()).toBeUndefined();
      probe.mockRejectedValue(gone);
      for (let count = 0; count < 5; count++) expect(await check()).toBe(gone);
      expect(sut.closed).toBe(true);
    });

    it('says what a call would meet while it is open, without asking', async () => {
      await open();
      expect(String(await check())).toContain('not called for a while: connection refused');
      expect(probe).not.toHaveBeenCalled();
    });

    it('closes after its pause if the server answers', async () => {
      await open();
      afterItsPause();
      expect(await check()).toBeUndefined();
      expect(sut.closed).toBe(true);
      expect(await run('answer')).toBe('answer');
      expect(probe).toHaveBeenCalledTimes(1);
    });
  });

  it('knows nothing of a server at another address', async () => {
    await open();
    expect(await run('answer', 'http://vorpal:8001')).toBe('answer');
  });

  it('tells how long it has been closed', async () => {
    expect(sut.closedForMs).toBe(Infinity);
    await open();
    expect(sut.closedForMs).toBe(0);
    afterItsPause();
    await run('answer');
    expect(sut.closedForMs).toBeGreaterThanOrEqual(0);
    expect(sut.closedForMs).toBeLessThan(Infinity);
  });
});
