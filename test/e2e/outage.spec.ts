import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FixedLatencyVorpal } from '../../bench/load/fixed-latency-vorpal.js';
import { TestBrain } from '../support/brain.js';
import { untilValue } from '../support/until.js';
import { freePort } from '../support/free-port.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';

describe('while Vorpal cannot be reached', () => {
  let vorpal: FixedLatencyVorpal | undefined;
  let startVorpal: () => Promise<FixedLatencyVorpal>;
  let sut: TestBrain;

  beforeEach(async () => {
    const port = await freePort();
    sut = await TestBrain.start({
      VORPAL_URL: `http://127.0.0.1:${port}`,
      EMBEDDINGS_URL: `http://127.0.0.1:${port}`,
      WORKER_BACKOFF_MAX_MS: '500',
      VORPAL_BREAKER_OPEN_MS: '300',
    });
    startVorpal = async () => (vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 }, port));
  });

  afterEach(async () => {
    await sut.dispose();
    vorpal?.stop();
    vorpal = undefined;
  });

  it('answers 503 with Retry-After, captures all the same, and processes once Vorpal is there', async () => {
    const answer = await sut.post('/chat', { message: 'Is anybody there?', session_id: 'early' });
    expect(answer).toMatchObject({ status: 503, body: { code: 'VORPAL_UNAVAILABLE' } });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    await sut.workerUntil(({ state, lag, pending }) => state === 'waiting' && (lag ?? 0) + (pending ?? 0) >= 1);

    await startVorpal();
    const report = await sut.workerUntil(({ recent }) => recent.length >= 1);
    expect(report.recent[0]).toMatchObject({ session_id: 'early', perplexity: expect.any(Number) });
    await sut.workerUntil(({ pending, lag, dead_letters }) => pending === 0 && lag === 0 && dead_letters === 0);
    await untilValue(
      () => sut.post('/chat', { message: 'Back again' }),
      ({ status }) => status === 200,
    );
  });

  it('is alive and started but not ready', async () => {
    await untilValue(
      () => sut.get('/health/ready'),
      ({ status }) => status === 503,
    );
    expect((await sut.get('/health/live')).status).toBe(200);
    expect((await sut.get('/health/startup')).status).toBe(200);
    expect(await sut.get('/health')).toMatchObject({ status: 503, body: { error: { vorpal: { status: 'down' } } } });
  });
});

describe('while Redis cannot be reached', () => {
  let redis: RedisServer;
  let vorpal: FixedLatencyVorpal;
  const started: TestBrain[] = [];

  // The first start on a machine may have to fetch the server.
  beforeEach(async () => {
    redis = await startRedis();
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 });
  }, 180_000);

  afterEach(async () => {
    for (const brain of started.splice(0).reverse()) await brain.dispose();
    vorpal.stop();
    await redis.stop();
  });

  async function startBrain(environment: NodeJS.ProcessEnv = {}): Promise<TestBrain> {
    const brain = await TestBrain.start({
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      REDIS_URL: redis.url,
      STREAM_KEY: `${redis.keyPrefix}outage`,
      WORKER_BACKOFF_MAX_MS: '500',
      ...environment,
    });
    started.push(brain);
    return brain;
  }

  async function restart(brain: TestBrain): Promise<TestBrain> {
    const again = await brain.restart();
    started.push(again);
    return again;
  }

  const say = async (brain: TestBrain, session_id: string): Promise<void> => {
    expect((await brain.post('/chat', { message: `A message ${session_id}`, session_id })).status).toBe(200);
  };

  const takeRedisAway = async (brain: TestBrain): Promise<void> => {
    await redis.kill();
    await untilValue(
      () => brain.get('/health'),
      ({ status }) => status === 503,
    );
  };

  /** The sessions of what was processed, in that order, once the stream holds nothing more. */
  const processed = async (brain: TestBrain, count: number): Promise<string[]> => {
    const { recent } = await brain.workerUntil(
      (report) => report.processed >= count && report.spooled === 0 && report.lag === 0 && report.pending === 0,
    );
    return recent.map(({ session_id }) => session_id).reverse();
  };

  /** What a process that is killed now leaves. */
  const spooledOnDisk = async ({ dataDir }: TestBrain): Promise<number> => {
    const files = globSync('spool/*/*.jsonl', { cwd: dataDir });
    return (
      files
        .map((file) => readFileSync(join(dataDir, file), 'utf8'))
        .join('')
        .split('\n').length - 1
    );
  };

  it('chats on, keeps what is said, and processes it in order once Redis is back', async () => {
    const sut = await startBrain();
    await say(sut, 'before');
    await sut.workerUntil((report) => report.processed >= 1);

    await takeRedisAway(sut);
    for (const session of ['first', 'second', 'third']) await say(sut, session);
    expect((await sut.get('/health/live')).status).toBe(200);
    expect(await sut.get('/health/ready')).toMatchObject({
      status: 200,
      body: { status: 'degraded', details: { stream: { status: 'degraded', spooled: 3 } } },
    });
    expect(await sut.get('/health')).toMatchObject({ body: { error: { stream: { status: 'down' } } } });
    expect(await sut.worker()).toMatchObject({ captured: 1, spooled: 3, capture_failures: 0 });
    await sut.program.waitForLog(/^Messages go to the spool/);

    await redis.restart();
    await sut.ready();
    await say(sut, 'after');

    expect(await processed(sut, 5)).toEqual(['before', 'first', 'second', 'third', 'after']);
    expect(await sut.worker()).toMatchObject({ processed: 5, captured: 5, spooled: 0, capture_failures: 0 });
    await sut.program.waitForLog(/^The stream takes messages again/);
    expect(await spooledOnDisk(sut)).toBe(0);
  }, 180_000);

  it('is not ready where messages could not be kept meanwhile', async () => {
    const sut = await startBrain({ STREAM_SPOOL_MAX_BYTES: '0' });
    await sut.ready();

    await takeRedisAway(sut);

    expect(await sut.get('/health/ready')).toMatchObject({
      status: 503,
      body: { error: { stream: { status: 'down' } } },
    });
  }, 180_000);

  it('loses nothing and repeats nothing when the brain is killed and started again meanwhile', async () => {
    const first = await startBrain();
    await say(first, 'before');
    await first.workerUntil((report) => report.processed >= 1);
    await takeRedisAway(first);
    for (const session of ['first', 'second']) await say(first, session);
    await untilValue(
      () => spooledOnDisk(first),
      (count) => count >= 2,
    );
    expect(await first.program.end('SIGKILL')).toBe('SIGKILL');

    const second = await restart(first);
    await second.program.waitForLog(/^2 message\(s\) of a former run wait in the spool/);
    await say(second, 'third');
    // In order this time: what waits is left to the next one.
    expect(await second.program.end('SIGTERM')).toBe(0);
    expect(await spooledOnDisk(second)).toBe(3);

    const third = await restart(second);
    await say(third, 'fourth');
    await redis.restart();

    expect(await processed(third, 4)).toEqual(['first', 'second', 'third', 'fourth']);
    expect(await third.worker()).toMatchObject({ processed: 4, captured: 4, spooled: 0, capture_failures: 0 });
  }, 180_000);
});

describe('without a model and without a source for one', () => {
  it('starts, captures, answers 503 and says in the log and in /health what to do', async () => {
    const cacheDir = mkdtempSync(join(tmpdir(), 'brain-cache-'));
    const sut = await TestBrain.start({
      BRAIN_CACHE_DIR: cacheDir,
      MODEL_SOURCES: 'huggingface',
      HF_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    });
    try {
      const health = await untilValue(
        () => sut.get<{ details: { vorpal: { reason?: string } } }>('/health'),
        ({ body }) => (body.details.vorpal.reason ?? '').includes('LOCAL_VORPAL_MODEL'),
        { details: () => sut.program.output() },
      );
      expect(health.status).toBe(503);
      const answer = await sut.post('/chat', { message: 'Remember the milk', session_id: 'kept' });
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      await sut.workerUntil(({ lag, pending }) => (lag ?? 0) + (pending ?? 0) >= 1);
      expect(sut.program.output()).toMatch(/LOCAL_VORPAL_MODEL/);
    } finally {
      await sut.dispose();
      rmSync(cacheDir, { recursive: true, force: true });
    }
  });
});
