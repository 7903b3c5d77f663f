import { FixedLatencyVorpal } from '../../bench/load/fixed-latency-vorpal.js';
import { TestBrain } from '../support/brain.js';
import { untilValue } from '../support/until.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';

const LIMIT_MS = 180_000;

describe.each(['sqlite', 'redis'] as const)('roles in processes of their own, on %s', (kind) => {
  let vorpal: FixedLatencyVorpal;
  let redis: RedisServer | undefined;
  let api: TestBrain;
  let worker: TestBrain;

  beforeAll(async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 });
    redis = kind === 'redis' ? await startRedis() : undefined;
    const environment = {
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      ...(redis && {
        REDIS_URL: redis.url,
        STREAM_KEY: `${redis.keyPrefix}roles`,
        REDIS_KEY_PREFIX: redis.keyPrefix,
      }),
    };
    api = await TestBrain.start({ ...environment, BRAIN_ROLE: 'api' });
    worker = await TestBrain.start({ ...environment, BRAIN_ROLE: 'worker' }, api.dataDir);
  }, LIMIT_MS);

  afterAll(async () => {
    await worker.dispose();
    await api.dispose();
    vorpal.stop();
    await redis?.stop();
  }, LIMIT_MS);

  it(
    'lets one process answer and capture, and the other remember',
    async () => {
      const { status } = await api.post('/chat', { message: 'Hello over there', user_id: 'ada', session_id: 's' });
      expect(status).toBe(200);
      await worker.workerUntil(({ processed }) => processed >= 1, LIMIT_MS);
      expect(await api.worker()).toMatchObject({ state: 'off', processed: 0 });
      await api.program.waitForLog(/^Memory worker is off \(BRAIN_ROLE=api\)$/);
      const decisions = await untilValue(
        () => api.get<{ decisions: unknown[] }>('/decisions?user_id=ada'),
        ({ body }) => body.decisions.length >= 1,
        { timeoutMs: LIMIT_MS },
      );
      expect(decisions.body.decisions).toMatchObject([{ session_id: 's', kept: true }]);
    },
    LIMIT_MS,
  );

  it('gives a worker health and metrics, and none of the routes for chats and memories', async () => {
    for (const path of ['/chat', '/perplexity', '/memories', '/memories/search']) {
      expect(await worker.post(path, { message: 'hello' })).toMatchObject({
        status: 404,
        body: { code: 'ROUTE_NOT_FOUND' },
      });
    }
    for (const path of ['/memories', '/decisions', '/dead-letters']) expect((await worker.get(path)).status).toBe(404);
    for (const path of ['/health/live', '/health/ready', '/health', '/memory-worker', '/metrics']) {
      expect([path, (await worker.get(path)).status]).toEqual([path, 200]);
    }
  });

  it('counts what it does, in the form that Prometheus reads', async () => {
    await api.post('/chat', { message: 'Count this', user_id: 'bob' });
    await worker.workerUntil(({ processed, lag }) => processed >= 1 && lag === 0, LIMIT_MS);
    const answer = await worker.get<string>('/metrics');
    expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(answer.body).toMatch(/^archive_brain_processed_entries_total [1-9]/m);
    expect(answer.body).toMatch(/^archive_brain_stream_lag 0$/m);
    const { body } = await api.get<string>('/metrics');
    expect(body).toMatch(/^archive_brain_captured_messages_total [1-9]/m);
    expect(body).toMatch(
      /^archive_brain_http_request_duration_seconds_count\{method="POST",route="\/chat",status="200"\} [1-9]/m,
    );
  });
});
