import { randomUUID } from 'node:crypto';
import { FixedLatencyVorpal } from '../../bench/load/fixed-latency-vorpal.js';
import { TestBrain } from '../support/brain.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';
import { chatCompletion, sendJson } from '../support/stub-vorpal.js';
import { useStubVorpal } from '../support/use-stub-vorpal.js';

// What it would wait for takes a minute, and what it has to do no second.
const EXIT_LIMIT_MS = 30_000;

describe.each(['SQLite', 'Redis'])('stopping the brain with its stream on %s', (store) => {
  const started: TestBrain[] = [];
  const stub = useStubVorpal();
  let vorpal: FixedLatencyVorpal | undefined;
  let redis: RedisServer | undefined;

  beforeAll(async () => {
    if (store === 'Redis') redis = await startRedis();
  }, 180_000);

  afterAll(() => redis?.stop());

  const ownStore = (): NodeJS.ProcessEnv => {
    if (redis === undefined) return {};
    const prefix = `${redis.keyPrefix}${randomUUID()}:`;
    return { REDIS_URL: redis.url, STREAM_KEY: `${prefix}stream`, REDIS_KEY_PREFIX: prefix };
  };

  const startBrain = async (environment: NodeJS.ProcessEnv = {}) => {
    const { url } = vorpal ?? stub();
    const brain = await TestBrain.start({
      VORPAL_URL: url,
      EMBEDDINGS_URL: url,
      WORKER_BLOCK_MS: '60000',
      ...ownStore(),
      ...environment,
    });
    started.push(brain);
    return brain;
  };

  afterEach(async () => {
    for (const brain of started.splice(0)) await brain.dispose();
    vorpal?.stop();
    vorpal = undefined;
  });

  const terminate = async (brain: TestBrain) => {
    const startedAt = performance.now();
    const exitCode = await brain.program.end('SIGTERM');
    return { exitCode, ms: performance.now() - startedAt };
  };

  /** A brain in the middle of answering a chat, with a minute for it; `finish` has Vorpal answer. */
  const startAnswering = async () => {
    const finished = Promise.withResolvers<undefined>();
    stub().on('/v1/chat/completions', async ({ body }, response) => {
      await finished.promise;
      sendJson(response, chatCompletion(body.model, 'At last.'));
    });
    const sut = await startBrain({ SHUTDOWN_GRACE_MS: '60000' });
    const answer = sut.post('/chat', { message: 'A question that takes a while' });
    await sut.workerUntil(({ captured }) => captured >= 1);
    const finish = (): void => {
      finished.resolve(undefined);
    };
    return { sut, answer, finish };
  };

  it('ends a blocking read at once', async () => {
    const sut = await startBrain();
    await sut.program.waitForLog(/^Memory worker started$/);
    const { exitCode, ms } = await terminate(sut);
    expect(exitCode).toBe(0);
    expect(ms).toBeLessThan(EXIT_LIMIT_MS);
  });

  it('lets an answer being generated finish, and is not ready from the first moment, while it still answers', async () => {
    const { sut, answer, finish } = await startAnswering();
    const exited = sut.program.end('SIGTERM');
    await sut.program.waitForLog(/^Waiting for 1 request/);
    expect((await sut.get('/health/ready')).status).toBe(503);
    finish();
    expect((await answer).status).toBe(200);
    expect(await exited).toBe(0);
  });

  it('leaves a batch that does not finish in time unacknowledged, and scores it after the restart', async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 60_000 });
    const first = await startBrain({ SHUTDOWN_GRACE_MS: '1000' });
    await first.post('/chat', { message: 'Scored by the next process', session_id: 'left-over' });
    await first.workerUntil(({ pending }) => (pending ?? 0) >= 1);
    const { exitCode, ms } = await terminate(first);
    expect(exitCode).toBe(0);
    expect(ms).toBeLessThan(EXIT_LIMIT_MS);

    vorpal.latencies = { chatMs: 1, scoringMs: 1 };
    const second = await restart(first);
    const report = await second.workerUntil(({ recent }) => recent.length >= 1);
    expect(report.recent[0]).toMatchObject({ session_id: 'left-over' });
    await second.workerUntil(({ pending, lag }) => pending === 0 && lag === 0);
  });

  it('loses nothing to kill -9 and scores what was in flight once more', async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 60_000 });
    const first = await startBrain({ WORKER_BATCH_SIZE: '2' });
    const sessions = ['one', 'two', 'three', 'four', 'five'];
    for (const session_id of sessions)
      await first.post('/chat', { message: `Message number ${session_id}`, session_id });
    await first.workerUntil(({ pending, lag }) => (pending ?? 0) > 0 && (pending ?? 0) + (lag ?? 0) >= sessions.length);
    expect(await first.program.end('SIGKILL')).toBe('SIGKILL');

    vorpal.latencies = { chatMs: 1, scoringMs: 1 };
    const second = await restart(first);
    await second.workerUntil(
      ({ processed, pending, lag }) => processed >= sessions.length && pending === 0 && lag === 0,
    );
    const scored = (await second.worker()).recent.map(({ session_id }) => session_id);
    expect(scored.toSorted()).toEqual(sessions.toSorted());
  });

  const restart = async (brain: TestBrain) => {
    const again = await brain.restart();
    started.push(again);
    return again;
  };
});
