import { execFileSync } from 'node:child_process';
import { FixedLatencyVorpal } from '../../bench/load/fixed-latency-vorpal.js';
import { type Answer, TestBrain } from '../support/brain.js';
import { untilValue } from '../support/until.js';

const LIMIT_MS = 180_000;
const MESSAGES = 20;

/**
 * From now on no write of the process to any file works (`false`), or each does again. A plain user may do that to a
 * process of theirs, where a file system that is full takes a mount.
 */
function setDiskFull({ program }: TestBrain, isFull: boolean): void {
  const limit = isFull ? '0:' : 'unlimited:';
  execFileSync('prlimit', ['--pid', String(program.process.pid), `--fsize=${limit}`]);
}

describe('a disk that is full', () => {
  let sut: TestBrain;
  let vorpal: FixedLatencyVorpal;

  beforeEach(async () => {
    vorpal = await FixedLatencyVorpal.start({ chatMs: 1, scoringMs: 1 });
    sut = await TestBrain.start({
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      WORKER_BACKOFF_MAX_MS: '500',
    });
    await sut.ready();
  }, LIMIT_MS);

  afterEach(async () => {
    await sut.dispose();
    vorpal.stop();
  });

  interface Readiness {
    readonly status: string;
    readonly details: { readonly stream: Record<string, unknown> };
  }
  const readiness = (condition: (answer: Answer<Readiness>) => boolean): Promise<Answer<Readiness>> =>
    untilValue(() => sut.get<Readiness>('/health/ready'), condition, { details: () => sut.program.output() });

  it(
    'makes the brain unready before anything is captured, and chats go on',
    async () => {
      setDiskFull(sut, true);

      // The probe is the only one who writes.
      const { body } = await readiness(({ status }) => status === 503);
      expect(body.details.stream).toMatchObject({
        status: 'down',
        reason: expect.stringMatching(/^sqlite: .*; spool: EFBIG/),
      });
      expect((await sut.get('/health')).status).toBe(503);
      expect((await sut.post('/chat', { message: 'Hello' })).status).toBe(200);
    },
    LIMIT_MS,
  );

  it(
    'keeps the brain unready while messages are in memory alone, and none of them is lost when it has room again',
    async () => {
      setDiskFull(sut, true);
      for (let i = 0; i < MESSAGES; i++) {
        expect((await sut.post('/chat', { message: `Message ${i}`, session_id: `s-${i}` })).status).toBe(200);
      }
      await sut.workerUntil(({ spooled }) => spooled >= MESSAGES, LIMIT_MS);

      const { body } = await readiness(({ body }) => JSON.stringify(body).includes('in memory only'));
      expect(body.details.stream).toMatchObject({
        status: 'down',
        message: expect.stringMatching(/^20 message\(s\) are in memory only, .*EFBIG/),
      });

      setDiskFull(sut, false);
      await readiness(({ status }) => status === 200);
      const report = await sut.workerUntil(
        ({ processed, spooled, lag, pending }) => processed >= MESSAGES && spooled === 0 && lag === 0 && pending === 0,
        LIMIT_MS,
      );
      expect(report).toMatchObject({ processed: MESSAGES, captured: MESSAGES, capture_failures: 0 });
    },
    LIMIT_MS,
  );
});
