import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { appendFile, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { until } from '../../test/support/until.js';
import { CaptureService } from './capture.service.js';
import type { InputStream, StreamEntry } from './input-stream.port.js';
import { CaptureSpool, spoolFolder } from './spool/index.js';
import { StreamUnavailableError } from './stream.errors.js';

const MIB = 1_024 * 1_024;
const SPOOL_MS = 60_000;

const entryOf = (id = 'id', message = 'hello'): StreamEntry => ({
  id,
  message,
  timestampMs: 0,
  userId: 'u',
  sessionId: 's',
  role: 'user',
  context: '',
});
const idsFrom = (first: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `id-${first + index}`);

/** A stream that fails, hangs and recovers when the test says so. It recognises ids, as every stream does. */
class FaultyStream {
  state: 'there' | 'away' | 'hanging' = 'there';
  readonly has: string[] = [];
  attempts = 0;
  private readonly hanging: PromiseWithResolvers<undefined>[] = [];

  readonly append = jest.fn(async (entry: StreamEntry): Promise<void> => {
    this.attempts += 1;
    if (this.state === 'hanging') {
      const deferred = Promise.withResolvers<undefined>();
      this.hanging.push(deferred);
      await deferred.promise;
    }
    if (this.state === 'away') throw new StreamUnavailableError({ cause: new Error('connection refused') });
    if (!this.has.includes(entry.id)) this.has.push(entry.id);
  });

  end(state: 'there' | 'away'): void {
    this.state = state;
    for (const { resolve } of this.hanging.splice(0)) resolve(undefined);
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe(CaptureService.name, () => {
  let dataDir: string;
  let folder: string;
  let stream: FaultyStream;
  let errors: string[];
  let said: string[];
  const started: CaptureService[] = [];

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'capture-'));
    folder = spoolFolder(dataDir, 'brain');
    stream = new FaultyStream();
    errors = [];
    said = [];
    jest.spyOn(Logger.prototype, 'error').mockImplementation((message: unknown) => {
      errors.push(String(message));
    });
    for (const level of ['log', 'warn'] as const) {
      jest.spyOn(Logger.prototype, level).mockImplementation((message: unknown) => {
        said.push(String(message));
      });
    }
  });

  afterEach(async () => {
    jest.useRealTimers();
    stream.end('away');
    for (const service of started.splice(0)) await service.drain(0, SPOOL_MS);
    await rm(dataDir, { recursive: true });
    jest.restoreAllMocks();
  });

  function make(maxBytes = 64 * MIB): CaptureService {
    const service = new CaptureService(
      stream as unknown as InputStream,
      new CaptureSpool({ folder, maxBytes, lockWaitMs: 0 }),
    );
    started.push(service);
    return service;
  }

  async function start(): Promise<CaptureService> {
    const service = make();
    await service.start();
    return service;
  }

  const captureAll = (sut: CaptureService, ids: readonly string[]): void => {
    for (const id of ids) sut.capture(entryOf(id));
  };

  const untilSent = (sut: CaptureService): Promise<void> =>
    until(
      () => said.some((line) => line.startsWith('The stream takes messages again')) && sut.spooled === 0,
      'all sent',
    );

  async function files(): Promise<string[]> {
    return (await readdir(folder)).filter((name) => name.endsWith('.jsonl'));
  }

  async function spoolText(): Promise<string> {
    const names = await files();
    return (await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')))).join('');
  }

  it('appends without anyone waiting, and counts', async () => {
    stream.state = 'hanging';
    const sut = await start();

    sut.capture(entryOf());

    expect(stream.append).toHaveBeenCalledWith(entryOf());
    expect([sut.captured, sut.failed, sut.spooled, sut.inFlight]).toEqual([0, 0, 0, 1]);
    stream.end('there');
    await settled();
    expect([sut.captured, sut.failed, sut.spooled, sut.inFlight]).toEqual([1, 0, 0, 0]);
    expect(await files()).toEqual([]);
  });

  it('never throws into the request, and counts messages that the stream refuses as lost', async () => {
    const sut = make();
    stream.append.mockImplementation(() => {
      throw new Error('no such thing');
    });

    expect(() => {
      sut.capture(entryOf());
    }).not.toThrow();

    await settled();
    expect([sut.captured, sut.failed, sut.spooled, sut.inFlight]).toEqual([0, 1, 0, 0]);
    expect(errors).toEqual(['1 message(s) not captured: no such thing']);
  });

  it('keeps what the stream cannot take, and sends it when it can: in order, each once, with one line for each turn', async () => {
    const sut = await start();
    captureAll(sut, idsFrom(0, 2));
    await settled();
    stream.state = 'away';
    captureAll(sut, idsFrom(2, 100));
    await until(async () => (await spoolText()).includes('id-101'), 'the last message on the disk');
    captureAll(sut, idsFrom(102, 3));
    expect([sut.captured, sut.spooled, sut.failed]).toEqual([2, 103, 0]);

    stream.end('there');
    captureAll(sut, idsFrom(105, 3));
    await untilSent(sut);
    captureAll(sut, idsFrom(108, 2));
    await settled();

    expect(stream.has).toEqual(idsFrom(0, 110));
    expect([sut.captured, sut.spooled, sut.failed]).toEqual([110, 0, 0]);
    expect(await files()).toEqual([]);
    expect(said).toEqual([
      expect.stringMatching(/^Messages go to the spool .*connection refused/),
      'The stream takes messages again; 106 from the spool were sent',
    ]);
    expect(errors).toEqual([]);
  });

  it('asks a failing stream at growing intervals', async () => {
    jest.spyOn(Math, 'random').mockReturnValue(1);
    const sut = await start();
    stream.state = 'away';
    sut.capture(entryOf());
    const startedAt = performance.now();

    await until(() => stream.attempts >= 4, 'three more attempts');

    // 150, 250 and 450 ms.
    expect(performance.now() - startedAt).toBeGreaterThan(800);
  });

  it('puts all that is under way into the spool when the first of it fails', async () => {
    const sut = await start();
    stream.state = 'hanging';
    captureAll(sut, idsFrom(0, 5));

    stream.append.mockRejectedValueOnce(new StreamUnavailableError());
    captureAll(sut, ['id-5']);
    await settled();
    expect(sut.spooled).toBe(6);
    captureAll(sut, ['id-6']);
    stream.end('there');
    await untilSent(sut);

    expect(stream.has).toEqual(idsFrom(0, 7));
    expect([sut.captured, sut.failed]).toEqual([7, 0]);
  });

  it('puts into the spool what exceeds the number under way', async () => {
    const sut = await start();
    stream.state = 'hanging';

    captureAll(sut, idsFrom(0, 10_001));

    expect([sut.inFlight, sut.spooled, sut.failed]).toEqual([10_000, 10_001, 0]);
    expect(said).toEqual([expect.stringContaining('too slow')]);
  });

  it('bounds what the messages under way hold', async () => {
    const sut = await start();
    stream.state = 'hanging';
    const long = 'x'.repeat(MIB);

    for (let i = 0; i < 17; i++) sut.capture(entryOf(`id-${i}`, long));

    expect([sut.inFlight, sut.spooled, sut.failed]).toEqual([16, 17, 0]);
    stream.end('there');
    await untilSent(sut);
    expect([sut.inFlight, sut.captured, sut.spooled]).toEqual([0, 17, 0]);
  });

  it('drops what a full spool does not take, and logs the first at once and those of a second in one line', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'performance'] });
    stream.state = 'away';
    const sut = make(0);

    captureAll(sut, idsFrom(0, 500));
    await settled();
    expect(sut.failed).toBe(500);
    expect(errors).toEqual([expect.stringMatching(/^1 message\(s\) not captured: the spool is full/)]);

    jest.advanceTimersByTime(1_000);
    expect(errors).toHaveLength(2);
    expect(errors[1]).toContain('499 message(s) not captured');

    jest.advanceTimersByTime(10_000);
    expect(errors).toHaveLength(2);

    stream.state = 'there';
    sut.capture(entryOf('back'));
    await settled();
    expect(stream.has).toEqual(['back']);
  });

  it('keeps the oldest where not all have room', async () => {
    stream.state = 'away';
    const sut = make(1_000);
    await sut.start();

    captureAll(sut, idsFrom(0, 50));
    await settled();
    const kept = sut.spooled;
    stream.end('there');
    await untilSent(sut);

    expect(kept).toBeGreaterThan(1);
    expect(stream.has).toEqual(idsFrom(0, kept));
    expect([sut.captured, sut.failed]).toEqual([kept, 50 - kept]);
  });

  it('continues after an entry of the spool that the stream refuses', async () => {
    const sut = await start();
    stream.state = 'away';
    captureAll(sut, idsFrom(0, 3));
    await settled();

    const append = stream.append.getMockImplementation()!;
    stream.append.mockImplementation(async (entry) => {
      if (entry.id === 'id-1') throw new Error('cannot be sent');
      await append(entry);
    });
    stream.end('there');
    await untilSent(sut);

    expect(stream.has).toEqual(['id-0', 'id-2']);
    expect([sut.captured, sut.failed]).toEqual([2, 1]);
    expect(errors).toEqual([expect.stringContaining('cannot be sent')]);
  });

  it('sends first what a former process left, and counts what is torn as lost', async () => {
    stream.state = 'away';
    const former = await start();
    captureAll(former, idsFrom(0, 3));
    await settled();
    await former.drain(0, SPOOL_MS);
    const [name = ''] = await files();
    await appendFile(join(folder, name), '{"id":"id-3","mess');

    stream.state = 'there';
    const sut = await start();
    captureAll(sut, idsFrom(4, 2));
    await untilSent(sut);

    expect(stream.has).toEqual([...idsFrom(0, 3), ...idsFrom(4, 2)]);
    expect([sut.captured, sut.failed]).toEqual([5, 1]);
    expect(errors).toEqual([expect.stringContaining('damaged')]);
  });

  it('waits for what is under way when it drains', async () => {
    stream.state = 'hanging';
    const sut = await start();
    sut.capture(entryOf());

    let drained = false;
    const draining = sut.drain(60_000, SPOOL_MS).then(() => (drained = true));
    await settled();
    expect(drained).toBe(false);
    stream.end('there');
    await draining;

    expect([sut.captured, sut.spooled]).toEqual([1, 0]);
    expect([errors, said]).toEqual([[], []]);
  });

  it('leaves to the next process what does not land in time', async () => {
    stream.state = 'hanging';
    const former = await start();
    captureAll(former, idsFrom(0, 3));

    await former.drain(20, SPOOL_MS);
    expect(said).toEqual([expect.stringContaining('3 message(s) wait in the spool')]);
    expect(errors).toEqual([]);

    stream.end('there');
    stream.has.length = 0;
    const sut = await start();
    await untilSent(sut);
    expect(stream.has).toEqual(idsFrom(0, 3));
  });

  it('says how much is lost where the spool cannot be written at the end either', async () => {
    await appendFile(join(dataDir, 'spool'), 'a file where the folder should be');
    stream.state = 'away';
    const sut = await start();
    captureAll(sut, idsFrom(0, 2));
    await settled();
    expect(sut.spooled).toBe(2);

    await sut.drain(0, SPOOL_MS);

    expect(sut.failed).toBe(2);
    expect(errors).toContainEqual(expect.stringContaining('2 message(s) not captured'));
  });
});
