import { execFile } from 'node:child_process';
import { join, resolve } from 'node:path';
import { TestBrain } from '../support/brain.js';
import { untilValue } from '../support/until.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { embeddings, sendJson, StubVorpal } from '../support/stub-vorpal.js';

const LIMIT_MS = 180_000;
const PROGRAM = join(resolve(import.meta.dirname, '../..'), 'dist/commands/dead-letters.js');
const POISON = 'This text the embedder refuses for its own sake, whatever it is.';

interface Summary {
  id: string;
  entry_id: string | null;
  user_id: string | null;
  error: string;
  deliveries: number;
  preview: string | null;
  dead_lettered_at: string;
}
interface List {
  dead_letters: Summary[];
  next_cursor: string | null;
}
interface DecisionBody {
  id: string;
  session_id: string;
  decided_at: string;
}

describe.each(['sqlite', 'redis'] as const)('dead letters on %s', (kind) => {
  let vorpal: StubVorpal;
  let redis: RedisServer | undefined;
  let storage: NodeJS.ProcessEnv;
  let sut: TestBrain;

  /** The operator's program, with the settings of the brain. */
  const deadLetters = (...args: string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
      const child = execFile(
        process.execPath,
        ['--enable-source-maps', PROGRAM, ...args],
        { env: { ...process.env, NODE_OPTIONS: '', ...storage } },
        (_, stdout, stderr) => {
          done({ code: child.exitCode ?? -1, stdout, stderr });
        },
      );
    });
  const list = async (query = '') => (await sut.get<List>(`/dead-letters${query}`)).body;
  const decisions = async (user: string) =>
    (await sut.get<{ decisions: DecisionBody[] }>(`/decisions?user_id=${user}`)).body.decisions;
  const say = async (message: string, user: string) => {
    expect((await sut.post('/chat', { message, user_id: user, session_id: message.slice(0, 10) })).status).toBe(200);
  };
  const refusePoison = () =>
    vorpal.on('/v1/embeddings', ({ body }, response) => {
      if (!body.input.includes(POISON)) sendJson(response, embeddings(body.input));
      else sendJson(response, { error: { message: 'this input is refused', type: 'BadRequestError', code: 400 } }, 400);
    });
  const acceptAll = () =>
    vorpal.on('/v1/embeddings', ({ body }, response) => {
      sendJson(response, embeddings(body.input));
    });
  const died = (letters: number) => sut.workerUntil(({ dead_letters: dead }) => (dead ?? 0) >= letters, LIMIT_MS);

  beforeAll(async () => {
    vorpal = await StubVorpal.start();
    redis = kind === 'redis' ? await startRedis() : undefined;
    const shared = redis && {
      REDIS_URL: redis.url,
      STREAM_KEY: `${redis.keyPrefix}dead`,
      REDIS_KEY_PREFIX: redis.keyPrefix,
    };
    sut = await TestBrain.start({
      ...shared,
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      STREAM_MAX_ATTEMPTS: '2',
      STREAM_CLAIM_IDLE_MS: '1500',
    });
    storage = { BRAIN_DATA_DIR: sut.dataDir, ...shared };
  }, LIMIT_MS);

  afterAll(async () => {
    await sut.dispose();
    await vorpal.stop();
    await redis?.stop();
  }, LIMIT_MS);

  beforeEach(() => {
    refusePoison();
  });

  afterEach(async () => {
    for (const { id } of (await list()).dead_letters) await sut.delete(`/dead-letters/${id}`);
  });

  it(
    'take an entry after its attempts, while those behind it are processed without waiting; requeued, it is processed once',
    async () => {
      await say(POISON, 'ada');
      await say('A good one.', 'ada');
      await say('Another good one.', 'ada');
      await died(1);

      const { dead_letters: letters, next_cursor: next } = await list();
      expect(next).toBeNull();
      expect(letters).toEqual([
        expect.objectContaining({
          user_id: 'ada',
          deliveries: 2,
          error: expect.stringContaining('this input is refused'),
          preview: `${POISON.slice(0, 50)}...`,
        }),
      ]);
      const [letter] = letters;
      const good = await decisions('ada');
      expect(good).toHaveLength(2);
      for (const { decided_at: decidedAt } of good) {
        expect(Date.parse(decidedAt)).toBeLessThan(Date.parse(letter!.dead_lettered_at));
      }
      expect(JSON.stringify(letters)).not.toContain(POISON);
      expect((await sut.get(`/dead-letters/${letter!.id}`)).body).toMatchObject({ message: POISON, deliveries: 2 });

      acceptAll();
      const answers = await Promise.all(
        Array.from({ length: 3 }, () => sut.post(`/dead-letters/${letter!.id}/requeue`, {})),
      );
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 404, 404]);
      expect(answers.find(({ status }) => status === 200)?.body).toEqual({ entry_id: letter!.entry_id });

      const all = await untilValue(
        () => decisions('ada'),
        ({ length }) => length >= 3,
        { timeoutMs: LIMIT_MS },
      );
      expect(all.filter(({ id }) => id === letter!.entry_id)).toHaveLength(1);
      expect(all).toHaveLength(3);
      await sut.workerUntil(
        ({ processed, lag, pending, dead_letters: dead }) => processed >= 3 && lag === 0 && pending === 0 && dead === 0,
      );
      expect(await list()).toEqual({ dead_letters: [], next_cursor: null });
      expect(await sut.get(`/dead-letters/${letter!.id}`)).toMatchObject({
        status: 404,
        body: { code: 'DEAD_LETTER_NOT_FOUND' },
      });
    },
    LIMIT_MS,
  );

  it(
    'are listed, shown, requeued and dropped from the command line beside the running brain',
    async () => {
      expect(await deadLetters('list')).toMatchObject({ code: 0, stdout: 'No dead letters.\n' });
      for (let i = 0; i < 2; i++) await say(POISON, 'bob');
      await died(2);

      const table = await deadLetters('list');
      expect(table).toMatchObject({ code: 0, stderr: '' });
      expect(table.stdout.trimEnd().split('\n')).toHaveLength(3);
      const { stdout } = await deadLetters('list', '--json');
      const [first, second] = (JSON.parse(stdout) as List).dead_letters;
      expect([first?.user_id, second?.user_id]).toEqual(['bob', 'bob']);
      expect((await deadLetters('show', first!.id)).stdout).toContain(`\nmessage:\n${POISON}\n`);

      // Nobody is there to be asked.
      expect(await deadLetters('requeue', '--all')).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--yes'),
      });
      expect(await deadLetters('drop', second!.id)).toMatchObject({ code: 0, stdout: '1 dead letter dropped.\n' });
      acceptAll();
      expect(await deadLetters('requeue', first!.id)).toMatchObject({ code: 0, stdout: '1 dead letter requeued.\n' });

      const decided = await untilValue(
        () => decisions('bob'),
        ({ length }) => length > 0,
        { timeoutMs: LIMIT_MS },
      );
      expect(decided).toMatchObject([{ id: first!.entry_id }]);
      expect(await deadLetters('requeue', first!.id)).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('There is no such dead letter'),
      });
      expect(await deadLetters('list')).toMatchObject({ code: 0, stdout: 'No dead letters.\n' });
      expect(await deadLetters('burn')).toMatchObject({ code: 2, stderr: expect.stringContaining('Usage:') });
      await sut.workerUntil(({ lag, pending, dead_letters: dead }) => lag === 0 && pending === 0 && dead === 0);
    },
    LIMIT_MS,
  );

  it(
    'are paged and dropped over HTTP, and come back when they fail again',
    async () => {
      for (let i = 0; i < 3; i++) await say(POISON, 'eve');
      await died(3);
      const first = await list('?limit=2');
      const rest = await list(`?limit=2&cursor=${first.next_cursor}`);
      expect([first.dead_letters.length, rest.dead_letters.length, rest.next_cursor]).toEqual([2, 1, null]);

      for (const { id } of first.dead_letters) expect((await sut.delete(`/dead-letters/${id}`)).status).toBe(204);
      expect((await sut.delete(`/dead-letters/${first.dead_letters[0]!.id}`)).status).toBe(404);
      expect((await list()).dead_letters).toEqual(rest.dead_letters);

      const [{ id, entry_id: entryId }] = rest.dead_letters as [Summary];
      expect((await sut.post(`/dead-letters/${id}/requeue`, {})).status).toBe(200);
      const again = await untilValue(
        list,
        ({ dead_letters: letters }) => letters.length === 1 && letters[0]!.id !== id,
        { timeoutMs: LIMIT_MS },
      );
      expect(again.dead_letters).toMatchObject([{ entry_id: entryId, deliveries: 2 }]);
      expect(await decisions('eve')).toEqual([]);
    },
    LIMIT_MS,
  );

  it('refuse what is no page and no dead letter', async () => {
    expect(await sut.get('/dead-letters?limit=101')).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
    expect(await sut.get('/dead-letters?cursor=x')).toMatchObject({
      status: 404,
      body: { code: 'DEAD_LETTER_NOT_FOUND' },
    });
    for (const path of ['/dead-letters/x', '/dead-letters/%00', '/dead-letters/1-']) {
      expect(await sut.get(path)).toMatchObject({ status: 404, body: { code: 'DEAD_LETTER_NOT_FOUND' } });
    }
    expect((await sut.post('/dead-letters/x/requeue', {})).status).toBe(404);
  });
});
