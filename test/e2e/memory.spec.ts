import { newId } from '../../src/shared/index.js';
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
    'keeps a manual memory, and shows, lists, finds and deletes it',
    async () => {
      const memory = await add('My dog Bruno is allergic to chicken.', {
        session_id: 's',
        created_at: '2026-05-04T10:00:00Z',
        metadata: { from: 'a form' },
      });
      expect(memory).toEqual({
        id: expect.stringMatching(/^[0-9a-f-]{36}$/),
        text: 'My dog Bruno is allergic to chicken.',
        user_id: user,
        session_id: 's',
        role: 'user',
        created_at: '2026-05-04T10:00:00.000Z',
        perplexity: null,
        avg_logprob: null,
        novelty: null,
        surprise: null,
        model: null,
        source: 'manual',
        metadata: { from: 'a form' },
        count: 1,
        last_seen_at: '2026-05-04T10:00:00.000Z',
      });
      const other = await add('The train to Bern leaves at nine.');
      const path = `/memories/${memory.id}?user_id=${encodeURIComponent(user)}`;
      expect((await sut.get(path)).body).toEqual(memory);
      expect((await list()).memories.map(({ id }) => id)).toEqual([other.id, memory.id]);

      const { body } = await sut.post<MemoryList>('/memories/search', {
        query: 'What food is bad for my dog?',
        user_id: user,
      });
      expect(body.memories.map(({ id }) => id)).toEqual([memory.id, other.id]);
      expect(body.memories[0]!.similarity).toBeGreaterThan(body.memories[1]!.similarity!);
      const strict = { query: 'What food is bad for my dog?', user_id: user, min_similarity: 0.3 };
      expect((await sut.post<MemoryList>('/memories/search', strict)).body.memories.map(({ id }) => id)).toEqual([
        memory.id,
      ]);

      expect((await sut.delete(path)).status).toBe(204);
      expect(await sut.get(path)).toMatchObject({ status: 404, body: { code: 'MEMORY_NOT_FOUND' } });
      expect((await sut.delete(path)).status).toBe(404);
      expect((await list()).memories.map(({ id }) => id)).toEqual([other.id]);
    },
    LIMIT_MS,
  );

  it(
    'never shows or changes a memory of another user',
    async () => {
      const { id } = await add('My secret is safe.');
      for (const path of [
        `/memories/${id}`,
        `/memories/${id}?user_id=mallory`,
        `/memories/${newId()}`,
        '/memories/x',
      ]) {
        expect((await sut.get(path)).status).toBe(404);
        expect((await sut.delete(path)).status).toBe(404);
      }
      const search = { query: 'My secret is safe.', user_id: 'mallory', include_shadow: true };
      expect((await sut.post('/memories/search', search)).body).toEqual({ memories: [] });
      expect((await list('', 'mallory')).memories).toEqual([]);
      expect((await list()).memories).toHaveLength(1);
    },
    LIMIT_MS,
  );

  it(
    'takes a batch and pages through it without gaps',
    async () => {
      const memories = Array.from({ length: 45 }, (_, index) => ({ text: `Fact number ${index} of the long list.` }));
      const added = await sut.post<MemoryList>('/memories/batch', { user_id: user, memories });
      expect(added.status).toBe(201);
      const seen: string[] = [];
      let cursor: string | null = null;
      do {
        const page: MemoryList = await list(`&limit=20${cursor === null ? '' : `&cursor=${cursor}`}`);
        seen.push(...page.memories.map(({ id }) => id));
        cursor = page.next_cursor;
      } while (cursor !== null);
      expect(seen).toEqual(added.body.memories.map(({ id }) => id).toReversed());
    },
    LIMIT_MS,
  );

  it(
    'recalls in a chat what was said long before, and says so',
    async () => {
      const { id, text } = await add('My dog Bruno is allergic to chicken.');
      await add('The train to Bern leaves at nine.');
      const { status, body } = await chat('What is my dog allergic to?');
      expect(status).toBe(200);
      expect(body.memories![0]).toEqual({ id, text, similarity: expect.any(Number) });
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
        threshold: 0.7,
        mode: 'fixed',
        kept: true,
        reason: expect.stringMatching(/^surprise \d\.\d\d reaches 0\.70$/),
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
    'strengthens a memory that is said again',
    async () => {
      const message = 'Our glass octopus collects antique barometers in Reykjavik.';
      await chat(message);
      const [first] = await decided(1);
      expect(first!.kept).toBe(true);
      await chat(message);
      const [second] = await decided(2);
      expect(second).toMatchObject({
        kept: false,
        nearest_id: first!.id,
        reason: expect.stringMatching(/^says what memory/),
      });
      expect(second!.novelty).toBeLessThan(0.02);
      expect((await list()).memories).toMatchObject([{ id: first!.id, count: 2 }]);
    },
    LIMIT_MS,
  );

  it(
    'takes an export in again, elsewhere, once',
    async () => {
      await add('The first of two.', { metadata: { n: 1 } });
      await add('The second of two.\nOn two lines.');
      const exported = await sut.get<string>(`/memories/export?user_id=${encodeURIComponent(user)}`);
      expect(exported.headers.get('content-type')).toContain('application/x-ndjson');
      const lines = exported.body.trim().split('\n');
      expect(lines.map((line) => JSON.parse(line) as MemoryBody)).toEqual((await list()).memories);

      const importInto = (who: string, text: string) =>
        sut.post(`/memories/import?user_id=${encodeURIComponent(who)}`, text, {
          'content-type': 'application/x-ndjson',
        });
      const heir = `${user}, the second`;
      expect(await importInto(heir, exported.body)).toMatchObject({ status: 200, body: { imported: 2, known: 0 } });
      expect(await importInto(heir, exported.body)).toMatchObject({ status: 200, body: { imported: 0, known: 2 } });
      const copies = (await list('', heir)).memories;
      expect(copies).toEqual((await list()).memories.map((memory) => ({ ...memory, user_id: heir })));
    },
    LIMIT_MS,
  );

  it(
    'imports lines without ids as often as one likes, and says what is wrong with which line',
    async () => {
      const facts = Array.from({ length: 105 }, (_, index) => JSON.stringify({ text: `Fact number ${index}.` }));
      const importAll = (lines: readonly string[]) =>
        sut.post(`/memories/import?user_id=${encodeURIComponent(user)}`, lines.join('\n'), {
          'content-type': 'application/x-ndjson',
        });
      expect(await importAll(facts.with(101, '{"text": 7}').with(102, '{oops'))).toMatchObject({
        status: 200,
        body: {
          imported: 103,
          known: 0,
          failed: 2,
          lines: [
            { from: 1, to: 101, status: 'imported' },
            { from: 102, to: 102, status: 'failed', problem: expect.stringMatching(/^text: /) },
            { from: 103, to: 103, status: 'failed', problem: 'it is not JSON' },
            { from: 104, to: 105, status: 'imported' },
          ],
          lines_omitted: 0,
        },
      });
      expect(await importAll(facts)).toMatchObject({ body: { imported: 2, known: 103, failed: 0 } });
      expect(await importAll(facts)).toMatchObject({ body: { imported: 0, known: 105, failed: 0 } });
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

  it.each<[string, string, unknown, number, string]>([
    ['a memory without text', '/memories', { user_id: 'u' }, 400, 'REQUEST_INVALID'],
    ['a blank memory', '/memories', { text: ' ' }, 400, 'REQUEST_INVALID'],
    ['an unknown field', '/memories', { text: 'a', vector: [1] }, 400, 'REQUEST_INVALID'],
    ['a memory that is too long', '/memories', { text: 'a'.repeat(32_769) }, 413, 'REQUEST_TEXT_TOO_LONG'],
    ['metadata that is no object', '/memories', { text: 'a', metadata: [] }, 400, 'REQUEST_INVALID'],
    [
      'metadata that is a file',
      '/memories',
      { text: 'a', metadata: { a: 'a'.repeat(20_000) } },
      400,
      'REQUEST_INVALID',
    ],
    ['a date that is none', '/memories', { text: 'a', created_at: 'yesterday' }, 400, 'REQUEST_INVALID'],
    ['an empty batch', '/memories/batch', { memories: [] }, 400, 'REQUEST_INVALID'],
    ['257 memories', '/memories/batch', { memories: Array(257).fill({ text: 'a' }) }, 400, 'REQUEST_INVALID'],
    ['a search for nothing', '/memories/search', { query: '' }, 400, 'REQUEST_INVALID'],
    ['a limit of 0', '/memories/search', { query: 'a', limit: 0 }, 400, 'REQUEST_INVALID'],
    ['a limit of 101', '/memories/search', { query: 'a', limit: 101 }, 400, 'REQUEST_INVALID'],
    ['a half limit', '/memories/search', { query: 'a', limit: 1.5 }, 400, 'REQUEST_INVALID'],
    ['a similarity of 2', '/memories/search', { query: 'a', min_similarity: 2 }, 400, 'REQUEST_INVALID'],
    ['an import as JSON', '/memories/import', { text: 'a' }, 415, 'REQUEST_UNSUPPORTED_MEDIA_TYPE'],
    ['memory: maybe', '/chat', { message: 'a', memory: 'maybe' }, 400, 'REQUEST_INVALID'],
  ])('refuses %s', async (_name, path, body, status, code) => {
    const answer = await sut.post(path, body);
    expect(answer).toMatchObject({ status, body: { status, code } });
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
  });

  it.each([
    ['/memories?cursor=nonsense', 400],
    ['/memories?limit=0', 400],
    ['/memories?limit=many', 400],
    ['/memories?page=2', 400],
    ['/decisions?limit=100000', 400],
  ])('refuses GET %s', async (path, status) => {
    expect(await sut.get(path)).toMatchObject({ status, body: { code: 'REQUEST_INVALID' } });
  });

  it('forgets nobody without a name', async () => {
    expect(await sut.delete('/memories')).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
  });

  it('takes newline-delimited JSON for an import only', async () => {
    const answer = await sut.post('/chat', '{"message": "a"}\n', { 'content-type': 'application/x-ndjson' });
    expect(answer).toMatchObject({ status: 415, body: { code: 'REQUEST_UNSUPPORTED_MEDIA_TYPE' } });
  });

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

describe('what was not kept', () => {
  it(
    'waits in the shadow buffer, can be searched there, and is promoted when it is recalled',
    async () => {
      const sut = await TestBrain.start({ SURPRISE_THRESHOLD: '2' });
      try {
        await sut.ready(LIMIT_MS);
        const message = 'My locker at the pool has the number 4711.';
        await sut.post('/chat', { message, user_id: 'eve' });
        await sut.workerUntil(({ processed }) => processed >= 1, LIMIT_MS);
        const memories = async () => (await sut.get<MemoryList>('/memories?user_id=eve')).body.memories;
        expect(await memories()).toEqual([]);
        const query = { query: 'Which number does my locker have?', user_id: 'eve' };
        expect((await sut.post('/memories/search', query)).body).toEqual({ memories: [] });
        const shadowed = await sut.post<MemoryList>('/memories/search', { ...query, include_shadow: true });
        expect(shadowed.body.memories).toMatchObject([{ text: message, shadow: true, source: 'worker' }]);

        const { body } = await sut.post<ChatBody>('/chat', { message: query.query, user_id: 'eve' });

        expect(body.memories).toMatchObject([{ text: message }]);
        await untilValue(memories, (found) => found.length >= 1, { timeoutMs: LIMIT_MS });
        expect(await memories()).toMatchObject([
          { id: shadowed.body.memories[0]!.id, text: message, source: 'promoted' },
        ]);
      } finally {
        await sut.dispose();
      }
    },
    LIMIT_MS,
  );
});
