import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FixedLatencyVorpal } from '../../src/evaluation/fixed-latency-vorpal.js';
import { TestBrain, until } from '../support/brain.js';
import { freePort } from '../support/free-port.js';
import { startRedis } from '../support/redis-server.js';

describe('while Vorpal is away', () => {
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
    await sut.workerUntil(({ state, lag, pending }) => state === 'waiting' && (lag ?? 0) + (pending ?? 0) === 1);

    await startVorpal();
    const report = await sut.workerUntil(({ recent }) => recent.length === 1);
    expect(report.recent[0]).toMatchObject({ session_id: 'early', perplexity: expect.any(Number) });
    await sut.workerUntil(({ pending, lag, dead_letters }) => pending === 0 && lag === 0 && dead_letters === 0);
    await until(
      () => sut.post('/chat', { message: 'Back again' }),
      ({ status }) => status === 200,
      10_000,
    );
  });

  it('is alive and started but not ready', async () => {
    await until(
      () => sut.get('/health/ready'),
      ({ status }) => status === 503,
      10_000,
    );
    expect((await sut.get('/health/live')).status).toBe(200);
    expect((await sut.get('/health/startup')).status).toBe(200);
    expect(await sut.get('/health')).toMatchObject({ status: 503, body: { error: { vorpal: { status: 'down' } } } });
  });
});

describe('while Redis is away', () => {
  it('chats on, says that nothing is captured, and captures again once Redis is back', async () => {
    const redis = await startRedis();
    const vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 });
    const sut = await TestBrain.start({
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      REDIS_URL: redis.url,
      STREAM_KEY: `${redis.keyPrefix}outage`,
      WORKER_BACKOFF_MAX_MS: '500',
    });
    try {
      await sut.post('/chat', { message: 'Before the outage', session_id: 'before' });
      await sut.workerUntil(({ processed }) => processed === 1);

      await redis.kill();
      await until(
        () => sut.get('/health/ready'),
        ({ status }) => status === 503,
        10_000,
      );
      expect((await sut.post('/chat', { message: 'During the outage' })).status).toBe(200);
      expect((await sut.get('/health/live')).status).toBe(200);
      expect(await sut.get('/health')).toMatchObject({ body: { error: { stream: { status: 'down' } } } });
      await sut.program.waitForLog(/^1 message\(s\) not captured/);

      await redis.restart();
      await sut.ready();
      await sut.post('/chat', { message: 'After the outage', session_id: 'after' });
      const { recent } = await sut.workerUntil(({ processed }) => processed === 2);
      expect(recent.map(({ session_id }) => session_id)).toEqual(['after', 'before']);
    } finally {
      await sut.dispose();
      vorpal.stop();
      await redis.stop();
    }
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
      const health = await until(
        () => sut.get<{ details: { vorpal: { reason?: string } } }>('/health'),
        ({ body }) => (body.details.vorpal.reason ?? '').includes('LOCAL_VORPAL_MODEL'),
        30_000,
        () => sut.program.output(),
      );
      expect(health.status).toBe(503);
      const answer = await sut.post('/chat', { message: 'Remember the milk', session_id: 'kept' });
      expect(answer.status).toBe(503);
      expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      await sut.workerUntil(({ lag, pending }) => (lag ?? 0) + (pending ?? 0) === 1);
      expect(sut.program.output()).toMatch(/LOCAL_VORPAL_MODEL/);
    } finally {
      await sut.dispose();
      rmSync(cacheDir, { recursive: true, force: true });
    }
  });
});
