import { FixedLatencyVorpal } from '../../src/evaluation/fixed-latency-vorpal.js';
import { TestBrain } from '../support/brain.js';
import { startRedis, type RedisServer } from '../support/redis-server.js';

const EXIT_LIMIT_MS = 5_000;

describe.each(['SQLite', 'Redis'])('stopping the brain with its stream on %s', (store) => {
  const started: TestBrain[] = [];
  let vorpal: FixedLatencyVorpal;
  let redis: RedisServer | undefined;
  let streams = 0;

  beforeAll(async () => {
    if (store === 'Redis') redis = await startRedis();
  }, 180_000);

  afterAll(() => redis?.stop());

  const ownStream = (): NodeJS.ProcessEnv =>
    redis === undefined ? {} : { REDIS_URL: redis.url, STREAM_KEY: `${redis.keyPrefix}stream-${++streams}` };

  const startBrain = async (environment: NodeJS.ProcessEnv = {}) => {
    const brain = await TestBrain.start({
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      WORKER_BLOCK_MS: '60000',
      ...ownStream(),
      ...environment,
    });
    started.push(brain);
    return brain;
  };

  afterEach(async () => {
    for (const brain of started.splice(0)) await brain.dispose();
    vorpal.stop();
  });

  const terminate = async (brain: TestBrain) => {
    const startedAt = performance.now();
    const exitCode = await brain.program.end('SIGTERM');
    return { exitCode, ms: performance.now() - startedAt };
  };

  it('ends a blocking read at once', async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 });
    const sut = await startBrain();
    await sut.program.waitForLog(/^Memory worker started$/);
    const { exitCode, ms } = await terminate(sut);
    expect(exitCode).toBe(0);
    expect(ms).toBeLessThan(EXIT_LIMIT_MS);
  });

  it('lets an answer being generated finish', async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1_500, scoringMs: 1 });
    const sut = await startBrain();
    const answer = sut.post('/chat', { message: 'A question that takes a while' });
    await sut.workerUntil(({ captured }) => captured === 1);
    const { exitCode, ms } = await terminate(sut);
    expect((await answer).status).toBe(200);
    expect(exitCode).toBe(0);
    expect(ms).toBeLessThan(EXIT_LIMIT_MS);
  });

  it('is not ready from the first moment, while it still answers', async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 2_000, scoringMs: 1 });
    const sut = await startBrain();
    const answer = sut.post('/chat', { message: 'Keep the server busy' });
    await sut.workerUntil(({ captured }) => captured === 1);
    const exited = sut.program.end('SIGTERM');
    await sut.program.waitForLog(/^Waiting for 1 request/);
    expect((await sut.get('/health/ready')).status).toBe(503);
    expect((await answer).status).toBe(200);
    expect(await exited).toBe(0);
  });

  it('leaves a batch that does not finish in time unacknowledged, and scores it after the restart', async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 60_000 });
    const first = await startBrain();
    await first.post('/chat', { message: 'Scored by the next process', session_id: 'left-over' });
    await first.workerUntil(({ pending }) => pending === 1);
    const { exitCode, ms } = await terminate(first);
    expect(exitCode).toBe(0);
    expect(ms).toBeLessThan(EXIT_LIMIT_MS);

    vorpal.latencies = { chatMs: 1, scoringMs: 1 };
    const second = await restart(first);
    const report = await second.workerUntil(({ recent }) => recent.length === 1);
    expect(report.recent[0]).toMatchObject({ session_id: 'left-over' });
    await second.workerUntil(({ pending, lag }) => pending === 0 && lag === 0);
  });

  it('loses nothing to kill -9 and scores what was in flight once more', async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 60_000 });
    const first = await startBrain({ WORKER_BATCH_SIZE: '2' });
    const sessions = ['one', 'two', 'three', 'four', 'five'];
    for (const session_id of sessions)
      await first.post('/chat', { message: `Message number ${session_id}`, session_id });
    await first.workerUntil(
      ({ pending, lag }) => (pending ?? 0) > 0 && (pending ?? 0) + (lag ?? 0) === sessions.length,
    );
    expect(await first.program.end('SIGKILL')).toBe('SIGKILL');

    vorpal.latencies = { chatMs: 1, scoringMs: 1 };
    const second = await restart(first);
    await second.workerUntil(
      ({ processed, pending, lag }) => processed === sessions.length && pending === 0 && lag === 0,
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
