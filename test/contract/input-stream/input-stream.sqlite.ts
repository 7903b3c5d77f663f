import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SqliteDatabase } from '../../../src/infra/sqlite/index.js';
import { newId } from '../../../src/shared/index.js';
import { SqliteInputStream } from '../../../src/stream/adapters/sqlite/sqlite-input-stream.js';
import type { StreamEntry } from '../../../src/stream/index.js';
import type { Order } from './input-stream.child.js';

const never = new AbortController().signal;
const CHILD = join(import.meta.dirname, 'input-stream.child.ts');
const RUN_SOURCE = join(import.meta.dirname, '../../support/typescript-source.mjs');

const entryOf = (message: string): StreamEntry => ({
  id: newId(),
  message,
  timestampMs: Date.now(),
  userId: 'ada',
  sessionId: 's-1',
  role: 'user',
  context: '',
});

/** What only the embedded adapter has to do, beside the contract. */
export function describeSqliteInputStream(): void {
  describe(SqliteInputStream.name, () => {
    let folder: string;
    let path: string;
    let child: ChildProcess | undefined;
    const opened: SqliteDatabase[] = [];

    const open = async (consumer = 'a'): Promise<SqliteInputStream> => {
      const database = await SqliteDatabase.open(path);
      opened.push(database);
      return new SqliteInputStream(database, { consumer, claimIdleMs: 60_000 });
    };
    const closeAll = async (): Promise<void> => {
      for (const database of opened.splice(0)) await database.close();
    };

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'input-stream-'));
      path = join(folder, 'brain.sqlite');
    });

    afterEach(async () => {
      child?.kill('SIGKILL');
      await closeAll();
      await rm(folder, { recursive: true });
    });

    async function startChild(): Promise<ChildProcess> {
      child = fork(CHILD, [path, 'a'], {
        execArgv: ['--experimental-transform-types', '--disable-warning=ExperimentalWarning', '--import', RUN_SOURCE],
      });
      await once(child, 'message');
      return child;
    }

    async function order(process: ChildProcess, what: Order): Promise<void> {
      const done = once(process, 'message');
      process.send(what);
      await done;
    }

    async function kill(process: ChildProcess): Promise<void> {
      const gone = once(process, 'exit');
      process.kill('SIGKILL');
      await gone;
    }

    it('has what it had promised after kill -9, with what was read and not acknowledged first', async () => {
      const entries = Array.from({ length: 50 }, (_, i) => entryOf(`message ${i}`));
      const process = await startChild();
      await order(process, { append: entries.slice(0, 20) });
      await order(process, { read: 5 });
      await order(process, { append: entries.slice(20) });

      await kill(process);

      const sut = await open('a');
      expect(await sut.statistics()).toEqual({ lag: 45, pending: 5, deadLetters: 0 });
      const first = await sut.read({ count: 100, blockMs: 0, signal: never });
      const rest = await sut.read({ count: 100, blockMs: 0, signal: never });
      expect([...first, ...rest].map(({ entry }) => entry)).toEqual(entries);
      expect(first.map(({ deliveries }) => deliveries)).toEqual([2, 2, 2, 2, 2]);
    });

    it('survives kill -9 in the middle of writing', async () => {
      const process = await startChild();
      const confirmed = Array.from({ length: 10 }, (_, i) => entryOf(`confirmed ${i}`));
      await order(process, { append: confirmed });
      process.send({ append: Array.from({ length: 2_000 }, () => entryOf('x'.repeat(5_000))) } satisfies Order);

      await kill(process);

      const sut = await open('a');
      await sut.append(entryOf('afterwards'));
      const delivered = await sut.read({ count: 5_000, blockMs: 0, signal: never });
      const messages = delivered.map(({ entry }) => entry.message);
      expect(messages.slice(0, 10)).toEqual(confirmed.map(({ message }) => message));
      expect(messages.at(-1)).toBe('afterwards');
    });

    it('hands an append of its own process to the waiting read without waiting for the next poll', async () => {
      const sut = await open('a');
      const tookMs: number[] = [];

      for (let i = 0; i < 30; i++) {
        const start = performance.now();
        const reading = sut.read({ count: 1, blockMs: 5_000, signal: never });
        await new Promise((resolve) => setImmediate(resolve));
        await sut.append(entryOf('ping'));
        const delivered = await reading;
        tookMs.push(performance.now() - start);
        await sut.acknowledge(delivered);
      }

      // Each of them would take 200 ms at least if it were found by polling.
      expect(Math.min(...tookMs)).toBeLessThan(200);
    });

    it('keeps everything over an orderly restart', async () => {
      const before = await open('a');
      await before.append(entryOf('kept'));
      await closeAll();

      const delivered = await (await open('a')).read({ count: 1, blockMs: 0, signal: never });

      expect(delivered.map(({ entry }) => entry.message)).toEqual(['kept']);
    });

    it('refuses an append after its file was closed', async () => {
      const closed = await open('a');
      await closeAll();

      await expect(closed.append(entryOf('late'))).rejects.toMatchObject({ code: 'STREAM_UNAVAILABLE' });
    });

    it('refuses appends beyond the number that may wait', async () => {
      const sut = await open('a');
      const appends = Array.from({ length: 10_001 }, () => sut.append(entryOf('x')));

      const outcomes = await Promise.allSettled(appends);

      expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1);
      expect(outcomes.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'STREAM_UNAVAILABLE' } });
    });

    it('fails its check when the file was deleted under it', async () => {
      const sut = await open('a');
      await sut.check();

      await rm(path);

      await expect(sut.check()).rejects.toMatchObject({ code: 'STREAM_UNAVAILABLE' });
    });
  });
}
