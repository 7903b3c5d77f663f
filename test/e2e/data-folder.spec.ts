import { once } from 'node:events';
import { existsSync, globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChildProgram } from '../../bench/load/child-program.js';
import { FixedLatencyVorpal } from '../../bench/load/fixed-latency-vorpal.js';
import { TestBrain } from '../support/brain.js';
import { untilValue } from '../support/until.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const LIMIT_MS = 180_000;

describe('a data folder', () => {
  const started: TestBrain[] = [];
  let folder: string;
  let vorpal: FixedLatencyVorpal;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'data-folder-'));
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 });
  });

  afterEach(async () => {
    for (const brain of started.splice(0).reverse()) await brain.dispose();
    vorpal.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    VORPAL_URL: vorpal.url,
    EMBEDDINGS_URL: vorpal.url,
    WORKER_BACKOFF_MAX_MS: '500',
    ...more,
  });

  const start = async (more: NodeJS.ProcessEnv = {}): Promise<TestBrain> => {
    const brain = await TestBrain.start(environment(more), folder);
    started.push(brain);
    return brain;
  };

  const startProgram = (more: NodeJS.ProcessEnv): ChildProgram =>
    ChildProgram.start('brain', environment({ BRAIN_DATA_DIR: folder, CHAT_MAX_TOKENS: '8', ...more }));

  /** What a start that failed leaves on the screen. */
  const screenOf = async (program: ChildProgram): Promise<string> => {
    expect(await program.ended()).toBe(1);
    return program.rawOutput.join('\n');
  };

  const say = async (brain: TestBrain, session_id: string): Promise<void> => {
    expect((await brain.post('/chat', { message: `A message ${session_id}`, session_id })).status).toBe(200);
  };

  it(
    'has one brain at a time, and the one that came first goes on unharmed',
    async () => {
      const first = await start();
      await say(first, 'before');

      const second = startProgram({ SHUTDOWN_GRACE_MS: '100' });
      const screen = await screenOf(second);

      expect(screen).toMatch(/DATA_FOLDER_IN_USE: .*BRAIN_DATA_DIR.*REDIS_URL/);
      expect(screen).toContain(`process ${first.program.process.pid} on `);
      expect(screen).not.toContain('    at ');
      await second.waitForLog(/^The data folder is in use by process \d+ .*waiting/);
      await say(first, 'after');
      await first.workerUntil(({ processed }) => processed >= 2, LIMIT_MS);
    },
    LIMIT_MS,
  );

  it(
    'goes to a brain that started while the one before was stopping',
    async () => {
      const first = await start();
      await say(first, 'before');

      const second = startProgram({ SHUTDOWN_GRACE_MS: '100000' });
      await second.waitForLog(/^The data folder is in use/);
      expect(await first.program.end('SIGTERM')).toBe(0);

      const url = await second.url();
      expect((await fetch(`${url}/health/startup`)).status).toBe(200);
      expect(await second.end('SIGTERM')).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'is left by a brain that is killed',
    async () => {
      const first = await start();
      expect(await first.program.end('SIGKILL')).toBe('SIGKILL');

      const second = await start();

      expect(second.program.output()).not.toContain('in use');
      await say(second, 'after');
    },
    LIMIT_MS,
  );

  it(
    'can have an api and a worker, but not two of either',
    async () => {
      await start({ BRAIN_ROLE: 'api' });
      await start({ BRAIN_ROLE: 'worker' });

      for (const role of ['api', 'worker', 'all']) {
        expect(await screenOf(startProgram({ BRAIN_ROLE: role, SHUTDOWN_GRACE_MS: '100' }))).toContain(
          'DATA_FOLDER_IN_USE: ',
        );
      }
    },
    LIMIT_MS,
  );

  it('is not touched by a start whose port is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;

    const screen = await screenOf(startProgram({ PORT: String(port), BRAIN_DATA_DIR: join(folder, 'mine') }));
    other.close();

    expect(screen).toContain('Another program uses this port; stop it or set PORT to another one.');
    expect(existsSync(join(folder, 'mine'))).toBe(false);
  });

  it(
    'is for its owner alone, also where the operator made it',
    async () => {
      const first = await start();
      await say(first, 'a secret');
      await first.workerUntil(({ processed }) => processed >= 1, LIMIT_MS);

      const files = readdirSync(folder, { recursive: true, withFileTypes: true });
      expect(files.map(({ name }) => name)).toEqual(
        expect.arrayContaining(['brain.sqlite', 'brain.sqlite-wal', 'brain.sqlite-shm']),
      );
      const modes = files.map((file) => [file.name, statSync(join(file.parentPath, file.name)).mode & 0o077]);
      expect(modes.filter(([, others]) => others !== 0)).toEqual([]);
    },
    LIMIT_MS,
  );
});

describe('a spool of messages for an unreachable Redis', () => {
  const started: TestBrain[] = [];
  let folder: string;
  let vorpal: FixedLatencyVorpal;
  let redis: RedisServer;

  // The first start on a machine may have to fetch the server.
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'data-folder-'));
    redis = await startRedis();
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 });
  }, LIMIT_MS);

  afterEach(async () => {
    for (const brain of started.splice(0).reverse()) await brain.dispose();
    vorpal.stop();
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  }, LIMIT_MS);

  const environment = (more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv => ({
    VORPAL_URL: vorpal.url,
    EMBEDDINGS_URL: vorpal.url,
    REDIS_URL: redis.url,
    STREAM_KEY: `${redis.keyPrefix}spool`,
    STREAM_CONSUMER: 'brain',
    WORKER_BACKOFF_MAX_MS: '500',
    CHAT_MAX_TOKENS: '8',
    ...more,
  });

  const start = async (more: NodeJS.ProcessEnv = {}): Promise<TestBrain> => {
    const brain = await TestBrain.start(environment(more), folder);
    started.push(brain);
    return brain;
  };

  const startProgram = (more: NodeJS.ProcessEnv = {}): ChildProgram =>
    ChildProgram.start('brain', environment({ BRAIN_DATA_DIR: folder, ...more }));

  const say = async (url: string, session_id: string): Promise<void> => {
    const body = JSON.stringify({ message: `A message ${session_id}`, session_id });
    const headers = { 'content-type': 'application/json' };
    expect((await fetch(`${url}/chat`, { method: 'POST', headers, body })).status).toBe(200);
  };

  const onDisk = (): number =>
    globSync('spool/*/*.jsonl', { cwd: folder })
      .map((file) => readFileSync(join(folder, file), 'utf8').split('\n').length - 1)
      .reduce((sum, lines) => sum + lines, 0);

  /** A brain that has `count` messages on the disk, with Redis gone. */
  const startWithSpooled = async (count: number): Promise<TestBrain> => {
    const brain = await start();
    await redis.kill();
    for (let i = 1; i <= count; i++) await say(brain.url, `spooled-${i}`);
    await untilValue(
      async () => onDisk(),
      (lines) => lines >= count,
      { timeoutMs: LIMIT_MS, details: () => brain.program.output() },
    );
    return brain;
  };

  it(
    'goes over to the next process of a rolling restart, and nothing is lost or sent twice',
    async () => {
      const first = await startWithSpooled(3);

      const second = startProgram({ SHUTDOWN_GRACE_MS: '100000' });
      await second.waitForLog(/in use by process \d+ .*waiting/);
      expect(onDisk()).toBe(3);
      expect(await first.program.end('SIGTERM')).toBe(0);
      const url = await second.url();
      await say(url, 'after');
      await redis.restart();

      const report = await untilValue(
        async () => (await (await fetch(`${url}/memory-worker`)).json()) as Awaited<ReturnType<TestBrain['worker']>>,
        ({ processed, spooled }) => processed >= 4 && spooled === 0,
        { timeoutMs: LIMIT_MS, details: () => second.output() },
      );
      expect(report.recent.map(({ session_id }) => session_id).reverse()).toEqual([
        'spooled-1',
        'spooled-2',
        'spooled-3',
        'after',
      ]);
      expect(report).toMatchObject({ processed: 4, capture_failures: 0 });
      expect(onDisk()).toBe(0);
      expect(await second.end('SIGTERM')).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'stays with the process that has it where that does not stop',
    async () => {
      const first = await startWithSpooled(2);

      const second = startProgram({ SHUTDOWN_GRACE_MS: '100' });
      expect(await second.ended()).toBe(1);

      expect(second.rawOutput.join('\n')).toMatch(/SPOOL_IN_USE: .*STREAM_CONSUMER/);
      expect(second.rawOutput.join('\n')).toContain(`process ${first.program.process.pid} on `);
      expect(onDisk()).toBe(2);
      await redis.restart();
      await first.workerUntil(({ processed, spooled }) => processed >= 2 && spooled === 0, LIMIT_MS);
    },
    LIMIT_MS,
  );

  it(
    'is told of by a worker, which does not send it',
    async () => {
      const first = await startWithSpooled(2);
      expect(await first.program.end('SIGTERM')).toBe(0);

      const worker = await start({ BRAIN_ROLE: 'worker' });

      const { message } = await worker.program.waitForLog(/holds messages captured under brain\b/);
      expect(message).toContain('BRAIN_ROLE=api');
      expect(onDisk()).toBe(2);
    },
    LIMIT_MS,
  );
});
