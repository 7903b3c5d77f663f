import { TestBrain } from '../support/brain.js';
import { untilValue } from '../support/until.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';

interface MemoryBody {
  id: string;
  text: string;
  user_id: string;
  session_id: string | null;
  source: string;
  perplexity: number | null;
  surprise: number | null;
  count: number;
  similarity?: number;
}
interface MemoryList {
  memories: MemoryBody[];
  next_cursor: string | null;
}
interface DecisionBody {
  id: string;
  session_id: string;
  perplexity: number | null;
  contextual: boolean;
  plain_perplexity: number | null;
  novelty: number;
  nearest_id: string | null;
  surprise: number;
  threshold: number;
  mode: string;
  kept: boolean;
  duplicate_of: string | null;
  supersedes: string | null;
  supersession_score: number | null;
  reason: string;
}
interface ChatBody {
  response: string;
  session_id: string;
  memories: { id: string; text: string; similarity: number }[] | null;
  usage: { prompt_tokens: number };
}

const LIMIT_MS = 600_000;

describe.each(['sqlite', 'redis'] as const)('memory on %s, with the real models', (kind) => {
  let redis: RedisServer | undefined;
  let sut: TestBrain;
  let users = 0;
  let user: string;

  beforeAll(async () => {
    redis = kind === 'redis' ? await startRedis() : undefined;
    const storage = redis
      ? { REDIS_URL: redis.url, STREAM_KEY: `${redis.keyPrefix}memory`, REDIS_KEY_PREFIX: redis.keyPrefix }
      : {};
    sut = await TestBrain.start(storage);
    await sut.ready(LIMIT_MS);
  }, LIMIT_MS);

  afterAll(async () => {
    await sut.dispose();
    await redis?.stop();
  }, LIMIT_MS);

  beforeEach(() => {
    user = `ada {${++users}}`;
  });

  const add = async (text: string, more: object = {}) =>
    (await sut.post<MemoryBody>('/memories', { text, user_id: user, ...more })).body;
  const list = async (query = '', of = user) =>
    (await sut.get<MemoryList>(`/memories?user_id=${encodeURIComponent(of)}${query}`)).body;
  const chat = (message: string, more: object = {}) => sut.post<ChatBody>('/chat', { message, user_id: user, ...more });
  const decisions = async () =>
    (await sut.get<{ decisions: DecisionBody[] }>(`/decisions?user_id=${encodeURIComponent(user)}`)).body.decisions;
  const decided = (count: number) =>
    untilValue(decisions, ({ length }) => length >= count, {
      timeoutMs: LIMIT_MS,
      details: () => sut.program.output(),
    });

  it(
    'recalls in a chat what was said long before, and says so',
    async () => {
      const { id, text } = await add('My dog Bruno is allergic to chicken.');
      await add('The train to Bern leaves at nine.');
      const { status, body } = await chat('What is my dog allergic to?');
      expect(status).toBe(200);
      expect(body.memories![0]).toMatchObject({ id, text, why: { matched_words: ['dog', 'allergic'] } });
      expect(body.memories![0]!.similarity).toBeGreaterThan(0.3);
    },
    LIMIT_MS,
  );

  it(
    'neither recalls nor captures where the client says memory: false',
    async () => {
      await add('My dog Bruno is allergic to chicken.');
      const { body } = await chat('What is my dog allergic to?', { memory: false });
      expect(body.memories).toEqual([]);
      // What a user says is decided on in its order.
      await chat('This one is captured.', { session_id: 'the next' });
      expect(await decided(1)).toMatchObject([{ session_id: 'the next' }]);
    },
    LIMIT_MS,
  );

  it(
    'leaves a decision with its numbers for every message, and a memory under its id for what it keeps',
    async () => {
      await chat('Purple elephants negotiate quarterly tariffs beneath the cathedral.', { session_id: 'd' });
      const [decision] = await decided(1);
      expect(decision).toMatchObject({
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        user_id: user,
        session_id: 'd',
        perplexity: expect.any(Number),
        contextual: false,
        novelty: 1,
        nearest_id: null,
        threshold: 0,
        mode: 'all',
        kept: true,
        duplicate_of: null,
        supersedes: null,
        supersession_score: null,
        reason: expect.stringMatching(/surprise \d\.\d\d/),
      });
      expect(decision!.plain_perplexity).toBe(decision!.perplexity);
      const expected = 0.6 * Math.min(1, Math.log(decision!.perplexity! + 1) / 5) + 0.4;
      expect(decision!.surprise).toBeCloseTo(expected, 6);
      expect((await list()).memories).toMatchObject([
        { id: decision!.id, source: 'worker', session_id: 'd', surprise: decision!.surprise, count: 1 },
      ]);
    },
    LIMIT_MS,
  );

  it(
    'goes on with a session, and scores a message after the turns before it',
    async () => {
      const first = await chat('My sister plays the cello.', { session_id: 'talk' });
      const second = await chat('Does she play it well?', { session_id: 'talk' });
      expect(second.body.usage.prompt_tokens).toBeGreaterThan(first.body.usage.prompt_tokens + 5);
      const fresh = await chat('Does she play it well?', { session_id: 'another', memory: false });
      expect(second.body.usage.prompt_tokens).toBeGreaterThan(fresh.body.usage.prompt_tokens);

      const [latest, earliest] = await decided(2);
      expect(earliest).toMatchObject({ contextual: false });
      expect(latest).toMatchObject({ contextual: true, plain_perplexity: expect.any(Number) });
      expect(latest!.perplexity).not.toBe(latest!.plain_perplexity);
      // Given what "she" and "it" stand for, the question is less of a surprise.
      expect(latest!.perplexity).toBeLessThan(latest!.plain_perplexity!);
    },
    LIMIT_MS,
  );

  it(
    'lets what was said without memory be part of the conversation, and of nothing that is captured',
    async () => {
      await chat('My safe has the code 9-1-1-4.', { session_id: 'private', memory: false });
      await chat('Thank you for listening.', { session_id: 'private' });
      expect(await decided(1)).toMatchObject([{ contextual: false }]);
    },
    LIMIT_MS,
  );

  it(
    'counts a memory that is said again, whatever its case, and nothing that is merely alike',
    async () => {
      const message = 'My flight to Lisbon leaves on 3 May at 10:15 from gate B12.';
      await chat(message);
      await chat('My flight to Lisbon leaves on 3 May at 16:45 from gate B12.');
      await chat(message.toUpperCase());
      const [third, second, first] = await decided(3);
      expect(third).toMatchObject({ kept: true, duplicate_of: first!.id, reason: expect.stringContaining(first!.id) });
      expect(second).toMatchObject({ kept: true, duplicate_of: null, nearest_id: first!.id });
      expect((await list()).memories).toMatchObject([
        { id: second!.id, count: 1 },
        { id: first!.id, text: message, count: 2 },
      ]);
    },
    LIMIT_MS,
  );

  it(
    'forgets a user whole, and nobody else',
    async () => {
      const bystander = `${user}'s neighbour`;
      await sut.post('/memories', { text: 'I stay.', user_id: bystander });
      await add('I go.');
      const before = await chat('A velvet comet whistles backwards through the library.', { session_id: 'gone' });
      await decided(1);

      const { status, body } = await sut.delete(`/memories?user_id=${encodeURIComponent(user)}`);

      expect(status).toBe(200);
      expect(body).toMatchObject({ memories: 2, sessions: 1 });
      expect((await list()).memories).toEqual([]);
      expect(await decisions()).toEqual([]);
      const after = await chat('A velvet comet whistles backwards through the library.', {
        session_id: 'gone',
        memory: false,
      });
      expect(after.body.usage.prompt_tokens).toBeLessThanOrEqual(before.body.usage.prompt_tokens);
      expect((await list('', bystander)).memories).toHaveLength(1);
    },
    LIMIT_MS,
  );

  it('shows its health with the embedding model', async () => {
    const { body } = await sut.get('/health');
    expect(body).toMatchObject({
      details: {
        memory: { status: 'up', embedding_model: expect.stringMatching(/^all-MiniLM-L6-v2\//), dimensions: 384 },
        embeddings: { status: 'up' },
      },
    });
  });
});
