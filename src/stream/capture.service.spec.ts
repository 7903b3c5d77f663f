import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { CaptureService } from './capture.service.js';
import { InputStream, type StreamEntry } from './input-stream.port.js';
import { StreamUnavailableError } from './stream.errors.js';

const entryOf = (message = 'hello'): StreamEntry => ({
  id: 'id',
  message,
  timestampMs: 0,
  userId: 'u',
  sessionId: 's',
  role: 'user',
  context: '',
});

/** A stream whose appends end when the test says so. */
function makeStream() {
  const waiting: PromiseWithResolvers<undefined>[] = [];
  const append = jest.fn(() => {
    const deferred = Promise.withResolvers<undefined>();
    waiting.push(deferred);
    return deferred.promise;
  });
  return { stream: { append } as unknown as InputStream, append, waiting };
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe(CaptureService.name, () => {
  let errors: string[];

  beforeEach(() => {
    errors = [];
    jest.spyOn(Logger.prototype, 'error').mockImplementation((message: unknown) => {
      errors.push(String(message));
    });
  });

  afterEach(() => {
    jest.restoreAllMocks();
    jest.useRealTimers();
  });

  it('appends without anyone waiting, and counts', async () => {
    const { stream, append, waiting } = makeStream();
    const sut = new CaptureService(stream);

    sut.capture(entryOf());

    expect(append).toHaveBeenCalledWith(entryOf());
    expect([sut.captured, sut.failed, sut.inFlight]).toEqual([0, 0, 1]);
    waiting[0]?.resolve(undefined);
    await settled();
    expect([sut.captured, sut.failed, sut.inFlight]).toEqual([1, 0, 0]);
  });

  it.each([
    ['rejects', () => Promise.reject(new StreamUnavailableError())],
    [
      'throws',
      () => {
        throw new Error('no stream');
      },
    ],
  ])('never throws into the request when the stream %s', async (_, append) => {
    const sut = new CaptureService({ append } as unknown as InputStream);

    expect(() => {
      sut.capture(entryOf());
    }).not.toThrow();

    await settled();
    expect([sut.captured, sut.failed, sut.inFlight]).toEqual([0, 1, 0]);
    expect(errors).toHaveLength(1);
  });

  it('logs the first failure at once and those of the second after it in one line', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] });
    const append = () => Promise.reject(new StreamUnavailableError({ cause: new Error('disk full') }));
    const sut = new CaptureService({ append } as unknown as InputStream);

    for (let i = 0; i < 500; i++) sut.capture(entryOf());
    await settled();
    expect(errors).toEqual([expect.stringContaining('1 message(s) not captured')]);

    jest.advanceTimersByTime(1_000);
    expect(errors).toHaveLength(2);
    expect(errors[1]).toContain('499 message(s) not captured');
    expect(errors[1]).toContain('disk full');

    jest.advanceTimersByTime(10_000);
    expect(errors).toHaveLength(2);
  });

  it('drops, counts and logs what exceeds the number under way', () => {
    const { stream } = makeStream();
    const sut = new CaptureService(stream);

    for (let i = 0; i < 10_001; i++) sut.capture(entryOf());

    expect([sut.inFlight, sut.failed]).toEqual([10_000, 1]);
    expect(errors).toHaveLength(1);
  });

  it('bounds what the messages under way hold', async () => {
    const { stream, waiting } = makeStream();
    const sut = new CaptureService(stream);
    const long = entryOf('x'.repeat(1_000_000));

    for (let i = 0; i < 68; i++) sut.capture(long);
    expect([sut.inFlight, sut.failed]).toEqual([67, 1]);

    for (const { resolve } of waiting) resolve(undefined);
    await settled();
    sut.capture(long);
    expect(sut.inFlight).toBe(1);
  });

  it('waits for what is under way when it drains', async () => {
    const { stream, waiting } = makeStream();
    const sut = new CaptureService(stream);
    sut.capture(entryOf());

    let drained = false;
    const draining = sut.drain(60_000).then(() => (drained = true));
    await settled();
    expect(drained).toBe(false);
    waiting[0]?.resolve(undefined);
    await draining;

    expect(sut.captured).toBe(1);
    expect(errors).toEqual([]);
  });

  it('gives up draining in time, and says how much may be lost', async () => {
    const { stream } = makeStream();
    const sut = new CaptureService(stream);
    sut.capture(entryOf());

    await sut.drain(20);

    expect(errors).toEqual([expect.stringContaining('1 message(s) may be lost')]);
  });
});
