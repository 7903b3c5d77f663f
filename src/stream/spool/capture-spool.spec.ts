import { Logger } from '@nestjs/common';
import { jest } from '@jest/globals';
import { appendFile, cp, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { until } from '../../../test/support/until.js';
import type { StreamEntry } from '../input-stream.port.js';
import { CaptureSpool, spoolFolder } from './index.js';

const MIB = 1_024 * 1_024;
const CLOSE_LIMIT_MS = 60_000;

const entryOf = (id: string, message = 'hello'): StreamEntry => ({
  id,
  message,
  timestampMs: 1_790_000_000_123,
  userId: 'ada',
  sessionId: 's-1',
  role: 'user',
  context: '',
});
const idsFrom = (first: number, count: number): string[] =>
  Array.from({ length: count }, (_, index) => `id-${first + index}`);

describe(CaptureSpool.name, () => {
  let dataDir: string;
  let folder: string;
  let warnings: string[];
  const opened: CaptureSpool[] = [];

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'spool-'));
    folder = spoolFolder(dataDir, 'brain-1');
    warnings = [];
    for (const level of ['log', 'debug'] as const) jest.spyOn(Logger.prototype, level).mockReturnValue();
    for (const level of ['warn', 'error'] as const) {
      jest.spyOn(Logger.prototype, level).mockImplementation((text: unknown) => {
        warnings.push(String(text));
      });
    }
  });

  afterEach(async () => {
    jest.useRealTimers();
    jest.restoreAllMocks();
    for (const spool of opened.splice(0)) await spool.close(CLOSE_LIMIT_MS);
    await rm(dataDir, { recursive: true });
  });

  async function start(maxBytes = MIB): Promise<CaptureSpool> {
    const spool = new CaptureSpool({ folder, maxBytes, lockWaitMs: 0 });
    opened.push(spool);
    await spool.open();
    return spool;
  }

  /** What another process would find if the first one were gone now. */
  async function startOnCopy(): Promise<CaptureSpool> {
    await cp(folder, (folder = spoolFolder(dataDir, 'copy')), { recursive: true });
    return start();
  }

  const addAll = (spool: CaptureSpool, ids: readonly string[], message?: string): (string | undefined)[] =>
    ids.map((id) => spool.add(entryOf(id, message)));

  /** Sends all there is, as to a stream that takes everything. */
  async function takeAll(spool: CaptureSpool): Promise<string[]> {
    const taken: string[] = [];
    while (spool.waiting > 0) {
      const { entries } = await spool.peek();
      taken.push(...entries.map(({ id }) => id));
      await spool.shift(entries.length);
    }
    return taken;
  }

  async function files(): Promise<string[]> {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'));
    return names.sort().map((name) => join(folder, name));
  }

  async function idsOnDisk(): Promise<string[]> {
    const texts = await Promise.all((await files()).map((path) => readFile(path, 'utf8')));
    return texts.flatMap((text) => [...text.matchAll(/"id":"([^"]+)"/g)].map(([, id = '']) => id));
  }

  async function untilOnDisk(count: number): Promise<void> {
    await until(async () => (await idsOnDisk()).length >= count, `${count} entries on the disk`);
  }

  it('gives entries back whole and in order, a portion at a time, over many files', async () => {
    const sut = await start();
    const ids = idsFrom(0, 500);
    addAll(sut, ids.slice(0, 250), 'x'.repeat(1_000));
    await untilOnDisk(250);
    addAll(sut, ids.slice(250), 'x'.repeat(1_000));
    expect(sut.waiting).toBe(500);
    expect((await files()).length).toBeGreaterThan(1);

    const first = await sut.peek();

    expect(first.entries[0]).toEqual(entryOf('id-0', 'x'.repeat(1_000)));
    expect(first.entries.length).toBeLessThanOrEqual(64);
    expect(await takeAll(sut)).toEqual(ids);
  });

  it('leaves no file when all is sent, and starts anew afterwards', async () => {
    const sut = await start();
    for (let round = 0; round < 3; round++) {
      addAll(sut, idsFrom(0, 10));
      await untilOnDisk(10);
      expect(await takeAll(sut)).toEqual(idsFrom(0, 10));
      expect(await files()).toEqual([]);
    }
  });

  it('keeps what was peeked until it is shifted', async () => {
    const sut = await start();
    addAll(sut, idsFrom(0, 3));

    await sut.peek();
    sut.release();
    await sut.peek();
    await sut.shift(1);

    expect(sut.waiting).toBe(2);
    expect(await takeAll(sut)).toEqual(idsFrom(1, 2));
  });

  it('has after a restart what was not sent, before what is new', async () => {
    const first = await start();
    addAll(first, idsFrom(0, 5));
    expect(await first.close(CLOSE_LIMIT_MS)).toBe(0);

    const sut = await start();
    addAll(sut, idsFrom(5, 2));

    expect(sut.waiting).toBe(7);
    expect(await takeAll(sut)).toEqual(idsFrom(0, 7));
    expect(await files()).toEqual([]);
  });

  it('has everything of which the disk knows when its process is gone without a word', async () => {
    const killed = await start();
    addAll(killed, idsFrom(0, 5));
    await untilOnDisk(5);

    expect(await takeAll(await startOnCopy())).toEqual(idsFrom(0, 5));
  });

  it.each([
    ['is torn', Buffer.from('{"id":"id-9","message":"half a mess')],
    ['is what a power cut leaves of a file', Buffer.alloc(100)],
  ])('loses nothing but the last line where that %s', async (_, rest) => {
    const killed = await start();
    addAll(killed, idsFrom(0, 3));
    await killed.close(CLOSE_LIMIT_MS);
    await appendFile((await files())[0]!, rest);

    const sut = await start();
    addAll(sut, idsFrom(3, 2));

    expect(sut.waiting).toBe(6);
    const before = await sut.peek();
    expect(before.entries.map(({ id }) => id)).toEqual(idsFrom(0, 3));
    await sut.shift(3);
    expect(await sut.peek()).toEqual({ entries: [], unreadable: 1 });
    expect(await takeAll(sut)).toEqual(idsFrom(3, 2));
  });

  it('passes over a damaged line in the middle, and takes a last line that lacks only its end', async () => {
    const killed = await start();
    addAll(killed, idsFrom(0, 4));
    await killed.close(CLOSE_LIMIT_MS);
    const [file = ''] = await files();
    const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
    await writeFile(file, [lines[0], '{"id":1}', '', lines[2], lines[3]].join('\n'));

    const sut = await start();

    expect(sut.waiting).toBe(5);
    expect((await sut.peek()).entries.map(({ id }) => id)).toEqual(['id-0']);
    await sut.shift(1);
    const { entries, unreadable } = await sut.peek();
    expect([entries.map(({ id }) => id), unreadable]).toEqual([['id-2', 'id-3'], 2]);
    await sut.shift(2);
    expect(sut.waiting).toBe(0);
  });

  it('reads a message that is longer than what it reads at once', async () => {
    const long = '漢'.repeat(400_000);
    const killed = await start(64 * MIB);
    killed.add(entryOf('long', long));
    killed.add(entryOf('short'));
    await killed.close(CLOSE_LIMIT_MS);

    const sut = await start(64 * MIB);

    expect((await sut.peek()).entries[0]?.message).toBe(long);
    expect(await takeAll(sut)).toEqual(['long', 'short']);
  });

  it('takes no more than its bound, and has room again when a file is sent', async () => {
    const sut = await start(100_000);
    const message = 'x'.repeat(1_000);

    const refusals = addAll(sut, idsFrom(0, 200), message).filter((refusal) => refusal !== undefined);

    expect(refusals.length).toBeGreaterThan(100);
    expect(refusals[0]).toContain('STREAM_SPOOL_MAX_BYTES');
    const kept = 200 - refusals.length;
    await untilOnDisk(kept);
    const sizes = await Promise.all((await files()).map(async (path) => (await stat(path)).size));
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(100_000);

    for (let sent = 0; sent < 30;) {
      const { entries } = await sut.peek();
      await sut.shift(entries.length);
      sent += entries.length;
    }
    await sut.peek();
    expect(await sut.refusal()).toBeUndefined();
    expect(sut.add(entryOf('fits now', message))).toBeUndefined();
    expect((await takeAll(sut)).at(-1)).toBe('fits now');
  });

  it('takes nothing with a bound of 0', async () => {
    const sut = await start(0);

    expect(sut.add(entryOf('a'))).toContain('full');
    expect(sut.waiting).toBe(0);
    expect(await sut.refusal()).toContain('full');
  });

  it('loses and reorders nothing when a sync fails', async () => {
    const sut = await start();
    addAll(sut, idsFrom(0, 2));
    await untilOnDisk(2);
    const failing = await failSyncs(2);

    addAll(sut, idsFrom(2, 3));
    await until(() => failing.mock.calls.length >= 3, 'two failed syncs and a good one');
    await untilOnDisk(5);

    expect(warnings).toEqual([expect.stringContaining('cannot be written')]);
    expect(await takeAll(await startOnCopy())).toEqual(idsFrom(0, 5));
  });

  it('gives entries from memory while the disk fails', async () => {
    const sut = await start();
    const failing = await failSyncs(Number.POSITIVE_INFINITY);
    addAll(sut, idsFrom(0, 3));
    await until(() => failing.mock.calls.length > 0, 'a failed sync');

    expect(await takeAll(sut)).toEqual(idsFrom(0, 3));
    expect(await files()).toEqual([]);
  });

  it('is no place for more messages while the disk fails, and one again when it does not', async () => {
    const sut = await start();
    const failing = await failSyncs(3);
    addAll(sut, ['a']);

    await until(async () => (await sut.refusal()) !== undefined, 'a failed sync');
    expect(sut.danger).toBeUndefined();

    await until(async () => (await sut.refusal()) === undefined, 'a sync that works');
    expect(failing.mock.calls.length).toBeGreaterThanOrEqual(4);
    expect(await idsOnDisk()).toEqual(['a']);
  });

  it('tells of messages that are in memory alone for too long', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask', 'setTimeout', 'Date'] });
    const sut = await start();
    await failSyncs(Number.POSITIVE_INFINITY);
    addAll(sut, idsFrom(0, 3));
    await until(async () => (await sut.refusal()) !== undefined, 'a failed sync');
    expect(sut.danger).toBeUndefined();

    jest.advanceTimersByTime(10_000);

    expect(sut.danger).toMatch(/^3 message\(s\) are in memory only, .* 10 s \(EIO: i\/o error, fdatasync\)$/);
    await sut.peek();
    await sut.shift(1);
    expect(sut.danger).toBeUndefined();
  });

  it('tells of messages that are in memory alone and take half of its room', async () => {
    const sut = await start(256 * MIB);
    await failSyncs(Number.POSITIVE_INFINITY);
    addAll(sut, idsFrom(0, 33), 'x'.repeat(MIB));

    expect(sut.danger).toContain('33 message(s) are in memory only');
  });

  it('works without a disk, as far as memory reaches, and tells at its end what is lost', async () => {
    await writeFile(join(dataDir, 'spool'), 'a file where the folder should be');
    const sut = await start();
    expect(warnings).toEqual([expect.stringContaining('BRAIN_DATA_DIR')]);

    addAll(sut, idsFrom(0, 3));
    const { entries } = await sut.peek();
    await sut.shift(2);

    expect(entries).toHaveLength(3);
    expect(await sut.close(CLOSE_LIMIT_MS)).toBe(1);
    expect(sut.add(entryOf('late'))).toContain('stopping');
  });

  it('reaches the end while new entries keep coming, without waiting for the disk', async () => {
    const sut = await start();
    addAll(sut, idsFrom(0, 5));
    await untilOnDisk(5);
    await sut.peek();
    await sut.shift(4);
    addAll(sut, idsFrom(5, 2));

    const taken: string[] = [];
    for (let id = 7; sut.waiting > 0;) {
      const { entries } = await sut.peek();
      taken.push(...entries.map((entry) => entry.id));
      if (id < 50) sut.add(entryOf(`id-${id++}`));
      await sut.shift(entries.length);
    }

    expect(taken).toEqual(idsFrom(4, 46));
  });

  it('writes what it held back for its taker when that gives up', async () => {
    const sut = await start();
    addAll(sut, idsFrom(0, 2));
    await untilOnDisk(2);
    await sut.peek();
    await sut.shift(1);
    const { entries } = await sut.peek();
    await sut.shift(entries.length);
    addAll(sut, idsFrom(2, 3));
    await sut.peek();
    addAll(sut, idsFrom(5, 1));

    sut.release();

    await until(async () => (await idsOnDisk()).includes('id-5'), 'the last entry on the disk');
    expect(await takeAll(sut)).toEqual(idsFrom(2, 4));
  });

  it('keeps what it holds for the owner only', async () => {
    const sut = await start();
    addAll(sut, ['a']);
    await untilOnDisk(1);

    expect((await stat(folder)).mode & 0o077).toBe(0);
    expect((await stat((await files())[0]!)).mode & 0o077).toBe(0);
  });

  it('leaves a folder alone that another one works on, and says who', async () => {
    const first = await start();
    addAll(first, ['theirs']);
    await untilOnDisk(1);
    const second = new CaptureSpool({ folder, maxBytes: MIB, lockWaitMs: 0 });

    await expect(second.open()).rejects.toMatchObject({
      code: 'SPOOL_IN_USE',
      message: expect.stringContaining(`process ${process.pid} on `) as unknown,
    });
    second.add(entryOf('ours'));
    expect(await second.close(CLOSE_LIMIT_MS)).toBe(1);

    expect(await idsOnDisk()).toEqual(['theirs']);
    expect(await takeAll(first)).toEqual(['theirs']);
  });

  it('waits for one that is stopping, and takes over what it leaves', async () => {
    const first = await start();
    addAll(first, idsFrom(0, 2));
    const second = new CaptureSpool({ folder, maxBytes: MIB, lockWaitMs: 60_000 });
    opened.push(second);
    const opening = second.open();
    await until(() => warnings.length > 0, 'a line that says whom it waits for');

    await first.close(CLOSE_LIMIT_MS);
    await opening;

    expect(warnings).toEqual([expect.stringContaining(`in use by process ${process.pid}`)]);
    expect(await takeAll(second)).toEqual(idsFrom(0, 2));
  });

  it('tells of messages that were captured under another name, and leaves them alone', async () => {
    const other = new CaptureSpool({ folder: spoolFolder(dataDir, '../pod/7'), maxBytes: MIB, lockWaitMs: 0 });
    other.add(entryOf('theirs'));
    await other.close(CLOSE_LIMIT_MS);

    const sut = await start();

    expect(sut.waiting).toBe(0);
    expect(warnings).toEqual([expect.stringContaining('../pod/7')]);
  });

  it.each(['..', '.', 'host.example:8080', 'a/b', '名'])('has one folder below its own for the name %j', (name) => {
    const path = spoolFolder(dataDir, name);

    expect(path).toBe(join(dataDir, 'spool', basename(path)));
    expect(path).not.toBe(join(dataDir, 'spool'));
  });

  /** The next `times` syncs of any file fail, as on a disk that is dying. */
  async function failSyncs(times: number) {
    const file = await open(join(dataDir, 'any'), 'w');
    const prototype = Object.getPrototypeOf(file) as typeof file;
    await file.close();
    const { datasync } = prototype;
    let left = times;
    return jest.spyOn(prototype, 'datasync').mockImplementation(async function (this: typeof file) {
      if (left-- > 0) throw new Error('EIO: i/o error, fdatasync');
      await datasync.call(this);
    });
  }
});
