import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ChildProgram } from '../../bench/load/child-program.js';
import { TestBrain } from '../support/brain.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { copySqliteOf010, restoreRedisOf010 } from '../support/release-fixture.js';
import { StubVorpal } from '../support/stub-vorpal.js';
import { untilValue } from '../support/until.js';

const LIMIT_MS = 180_000;
const BOB = encodeURIComponent('bob {b}: ü');

interface MemoryBody {
  id: string;
  text: string;
  source: string;
  count: number;
  role: string;
  session_id: string | null;
  metadata: Record<string, unknown>;
  perplexity: number | null;
}
interface DecisionBody {
  id: string;
  kept: boolean;
  perplexity: number;
}

const idOf = (number: number): string => `019a3f00-0000-7000-8000-${String(number).padStart(12, '0')}`;

// test/fixtures/release-0.1.0/write.mjs says what is in the stores.
describe.each(['sqlite', 'redis'] as const)('a store that release 0.1.0 wrote, on %s', (kind) => {
  let vorpal: StubVorpal;
  let redis: RedisServer | undefined;
  let sut: TestBrain;

  beforeEach(async () => {
    vorpal = await StubVorpal.start();
    const dataDir = await mkdtemp(join(tmpdir(), 'brain-'));
    // A server of its own: what the release wrote has the names that it wrote it under.
    redis = kind === 'redis' ? await startRedis({ config: {} }) : undefined;
    if (redis) await restoreRedisOf010(redis.url);
    else await copySqliteOf010(dataDir);
    sut = await TestBrain.start(
      {
        ...(redis && { REDIS_URL: redis.url }),
        VORPAL_URL: vorpal.url,
        EMBEDDINGS_URL: vorpal.url,
        STREAM_CONSUMER: 'release-0.1.0',
        RECALL_TIMEOUT_MS: '30000',
        SESSION_READ_TIMEOUT_MS: '30000',
      },
      dataDir,
    );
  }, LIMIT_MS);

  /** What the upgrade asks for. Brains go on meanwhile. */
  async function indexWords(): Promise<void> {
    const program = ChildProgram.start('reindex', {
      ...(redis && { REDIS_URL: redis.url }),
      BRAIN_DATA_DIR: sut.dataDir,
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
    });
    if ((await program.ended()) !== 0) throw new Error(program.output());
  }

  afterEach(async () => {
    await sut.dispose();
    await redis?.stop();
    await vorpal.stop();
  });

  const decisionsOf = async (user: string): Promise<DecisionBody[]> =>
    (await sut.get<{ decisions: DecisionBody[] }>(`/decisions?user_id=${user}`)).body.decisions;

  it(
    'has its memories and decisions, what was in its shadow buffer among the memories, all found by their words',
    async () => {
      await indexWords();

      const { body } = await sut.get<{ memories: MemoryBody[] }>('/memories?user_id=ada&limit=100');
      // The worker may have kept what was waiting.
      const old = body.memories.filter(({ id }) => id < idOf(20));
      expect(old).toMatchObject([
        { id: idOf(6), source: 'manual', perplexity: null, metadata: { tags: ['a', 'b'], nested: { deep: 1.5 } } },
        { id: idOf(5), source: 'promoted', text: 'It rains in Vienna.' },
        { id: idOf(4), text: 'Nice weather.' },
        { id: idOf(2), text: 'My sister lives in Łódź 🚋.', role: 'assistant', session_id: null },
        { id: idOf(1), text: 'I drink green tea.', count: 2, session_id: 's-1', perplexity: 31.5 },
      ]);
      expect((await sut.get(`/memories/${idOf(1)}?user_id=ada`)).body).toEqual(old.at(-1));
      expect((await sut.get(`/memories/${idOf(7)}?user_id=${BOB}`)).body).toMatchObject({ text: 'My name is Bob.' });

      const search = async (query: string, mode: string): Promise<string[]> => {
        const request = { user_id: 'ada', query, mode, limit: 20 };
        const found = await sut.post<{ memories: MemoryBody[] }>('/memories/search', request);
        return found.body.memories.map(({ id }) => id);
      };
      expect(await search('anything', 'dense')).toEqual(expect.arrayContaining([1, 2, 4, 5, 6].map(idOf)));
      expect(await search('Nice Łódź', 'lexical')).toEqual(expect.arrayContaining([2, 4].map(idOf)));
      // The same text is counted, not kept once more.
      const again = await sut.post('/memories', { user_id: 'ada', text: 'nice  WEATHER.' });
      expect(again.status).toBeLessThan(300);
      expect((await sut.get(`/memories/${idOf(4)}?user_id=ada`)).body).toMatchObject({ count: 2 });

      const decided = (await decisionsOf('ada')).filter(({ id }) => id < idOf(20));
      expect(decided.map(({ id, kept }) => [id, kept])).toEqual([
        [idOf(5), false],
        [idOf(4), false],
        [idOf(3), false],
        [idOf(2), true],
        [idOf(1), true],
      ]);
      expect(decided[0]).toMatchObject({ perplexity: 35.5 });
    },
    LIMIT_MS,
  );

  it(
    'has its conversations',
    async () => {
      await sut.post('/chat', {
        message: 'Do you know me?',
        user_id: 'bob {b}: ü',
        session_id: 's:{2}',
        memory: false,
      });

      const { messages } = vorpal.requestsFor('/v1/chat/completions').at(-1)!.body;
      expect(messages.slice(-3).map(({ content }) => content)).toEqual(['Who am I?', 'Bob.', 'Do you know me?']);
    },
    LIMIT_MS,
  );

  it(
    'has what waited in its stream, and its dead letters',
    async () => {
      await untilValue(
        async () => [...(await decisionsOf('ada')), ...(await decisionsOf(BOB))].map(({ id }) => id),
        (ids) => [22, 23].every((number) => ids.includes(idOf(number))),
        { details: () => sut.program.output() },
      );
      const { body } = await sut.get<{ dead_letters: { id: string; entry_id: string; error: string }[] }>(
        '/dead-letters',
      );
      expect(body.dead_letters).toMatchObject([{ entry_id: idOf(20), error: 'refused: HTTP 400' }]);

      expect((await sut.post(`/dead-letters/${body.dead_letters[0]!.id}/requeue`, {})).status).toBe(200);

      await untilValue(
        () => decisionsOf('ada'),
        (decisions) => decisions.some(({ id }) => id === idOf(20)),
        { details: () => sut.program.output() },
      );
      await sut.workerUntil(({ lag, pending, dead_letters: dead }) => lag === 0 && pending === 0 && dead === 0);
      const health = await sut.get<{ details: { memory: Record<string, unknown> } }>('/health');
      expect(health.body.details.memory).toMatchObject({ status: 'up', undecodable_records: 0 });
    },
    LIMIT_MS,
  );

  it(
    'forgets what is asked to be forgotten',
    async () => {
      expect((await sut.delete<{ sessions: number }>('/memories?user_id=ada')).body.sessions).toBeGreaterThanOrEqual(1);

      expect((await sut.get('/memories?user_id=ada')).body.memories).toEqual([]);
      expect(await decisionsOf('ada')).toEqual([]);
    },
    LIMIT_MS,
  );
});
