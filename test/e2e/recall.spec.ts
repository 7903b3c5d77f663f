import { TestBrain } from '../support/brain.js';
import { type RunningVorpal, startLocalVorpal } from '../support/local-vorpal.js';
import { quotedMemories } from '../support/quoted-memories.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { StubVorpal } from '../support/stub-vorpal.js';
import { untilValue } from '../support/until.js';
import { CHANGED_FACTS, OWN_QUESTIONS, UNRELATED } from './recall-cases.js';

interface Recalled {
  id: string;
  text: string;
  role: string;
  similarity: number | null;
  why: { cosine: number | null; bm25: number | null; matched_words: string[] };
  is_current: boolean;
  superseded_by: string | null;
}
const LIMIT_MS = 600_000;

let embedder: RunningVorpal;
let vorpal: StubVorpal;

beforeAll(async () => {
  embedder = await startLocalVorpal({ LOCAL_VORPAL_SERVES: 'embeddings' });
  vorpal = await StubVorpal.start();
}, LIMIT_MS);

afterAll(async () => {
  await embedder.stop();
  await vorpal.stop();
}, LIMIT_MS);

const startBrain = (environment: NodeJS.ProcessEnv = {}): Promise<TestBrain> =>
  TestBrain.start({ VORPAL_URL: vorpal.url, EMBEDDINGS_URL: embedder.url, TIME_ZONE: 'UTC', ...environment });

/** The prompts that show what is asked here: what the model is given is what a user's answer comes from. */
function lastPrompt() {
  const { messages } = vorpal.requestsFor('/v1/chat/completions').at(-1)!.body;
  const quotes = quotedMemories(messages.at(-1)!.content);
  return { system: messages[0]!.content, quotes, texts: quotes.map(({ text }) => text) };
}

describe.each(['sqlite', 'redis'] as const)('what is recalled on %s, with the real embedder', (kind) => {
  let redis: RedisServer | undefined;
  let sut: TestBrain;
  let users = 0;
  let user: string;

  beforeAll(async () => {
    redis = kind === 'redis' ? await startRedis() : undefined;
    const storage = redis
      ? { REDIS_URL: redis.url, STREAM_KEY: `${redis.keyPrefix}recall`, REDIS_KEY_PREFIX: redis.keyPrefix }
      : {};
    sut = await startBrain(storage);
    await sut.ready(LIMIT_MS);
  }, LIMIT_MS);

  afterAll(async () => {
    await sut.dispose();
    await redis?.stop();
  }, LIMIT_MS);

  beforeEach(() => {
    user = `ada ${++users}`;
  });

  const add = (...memories: object[]) => sut.post('/memories/batch', { user_id: user, memories });
  const chat = async (message: string, more: object = {}) => {
    const request = { message, user_id: user, ...more };
    const { status, body } = await sut.post<{ memories: Recalled[] }>('/chat', request);
    expect(status).toBe(200);
    return body.memories;
  };
  const decided = (count: number) =>
    untilValue(
      async () =>
        (await sut.get<{ decisions: unknown[] }>(`/decisions?limit=100&user_id=${encodeURIComponent(user)}`)).body
          .decisions,
      ({ length }) => length >= count,
      { timeoutMs: LIMIT_MS, details: () => sut.program.output() },
    );

  it(
    'has what was said later in the prompt wherever what was said before is, after it',
    async () => {
      for (const { before } of CHANGED_FACTS) await chat(before);
      for (const { after } of CHANGED_FACTS) await chat(after);
      await decided(2 * CHANGED_FACTS.length);
      for (const { before, after, ask } of CHANGED_FACTS) {
        const memories = await chat(ask, { memory: true });
        const { texts } = lastPrompt();
        expect(texts).toContain(after);
        expect(texts.indexOf(before)).toBeLessThan(texts.indexOf(after));
        // A change of the time it was said in a word or two must not cost it its place.
        expect(memories.findIndex(({ text }) => text === after)).toBeLessThan(5);
      }
    },
    LIMIT_MS,
  );

  it(
    'finds a fact that was asked for many times, and what was asked when that is asked for',
    async () => {
      const { fact, questions } = OWN_QUESTIONS;
      await chat(fact);
      for (const question of questions) await chat(question);
      await add(
        ...Array.from({ length: 30 }, (_, index) => ({ text: `Errand ${index}: buy paint for room ${index}.` })),
      );
      await decided(questions.length + 1);
      const memories = await chat('Who keeps the spare key for me?');
      expect(memories[0]).toMatchObject({ text: fact, is_current: true, why: { matched_words: ['spare', 'key'] } });
      expect(memories.filter(({ text }) => text.endsWith('?'))).toEqual([]);
      const asked = await chat('What did I ask you about the spare key?');
      expect(asked.map(({ text }) => text)).toContain('Who has the spare key?');
    },
    LIMIT_MS,
  );

  it(
    'finds a long memory by a name in its middle, and quotes it around that name',
    async () => {
      const filler = 'We walked along the river, talked about the weather and had some cake in a small place. ';
      const text = `${filler.repeat(8)}There we met Theodora Vance, who restores violins. ${filler.repeat(8)}`;
      expect(text.length).toBeGreaterThan(1_400);
      await chat(text);
      await add(
        ...Array.from({ length: 40 }, (_, index) => ({ text: `Note ${index}: the weather by the river was fine.` })),
      );
      await decided(1);
      const memories = await chat('What does Theodora Vance do?');
      expect(memories[0]).toMatchObject({ text, why: { matched_words: ['Theodora', 'Vance'] } });
      const quoted = lastPrompt().texts.find((one) => one.includes('Theodora'))!;
      expect(quoted).toContain('There we met Theodora Vance, who restores violins.');
      expect(quoted.length).toBeLessThan(text.length);
      expect(memories.length).toBeGreaterThan(5);
    },
    LIMIT_MS,
  );

  it(
    'quotes equal texts once, however they came',
    async () => {
      const text = 'I collect stamps from Iceland.';
      for (let time = 0; time < 3; time++) await sut.post('/memories', { text, user_id: user });
      await add({ text }, { text: text.toUpperCase() });
      await chat('i collect  stamps from iceland.');
      await decided(1);
      expect(await chat('What do I collect?')).toMatchObject([{ text }]);
      expect(lastPrompt().texts).toEqual([text]);
    },
    LIMIT_MS,
  );

  it.each(UNRELATED)(
    'keeps unrelated sentences in $script apart and finds them by their words',
    async ({ texts, ask }) => {
      for (const text of texts) await chat(text);
      await decided(2);
      await add({ text: 'My dog is black.' }, { text: 'It rains today.' });
      const memories = await chat(ask);
      expect(memories[0]!.text).toBe(texts[0]);
      expect(memories[0]!.why.matched_words).not.toEqual([]);
      const listed = await sut.get<{ memories: { text: string }[] }>(`/memories?user_id=${encodeURIComponent(user)}`);
      expect(listed.body.memories.map(({ text }) => text)).toEqual(expect.arrayContaining(texts));
    },
    LIMIT_MS,
  );

  it(
    'tells the model the time and the day of each memory where its user is, in their order',
    async () => {
      await add(
        { text: 'I planted the pear tree.', created_at: '2024-03-31T22:30:00Z' },
        { text: 'I planted the plum tree.', created_at: '2021-04-01T12:00:00Z' },
        { text: 'I planted the fig tree.', created_at: '2025-10-01T08:00:00Z' },
      );
      await chat('Which trees did I plant?', { timezone: 'Europe/Berlin' });
      const { system, quotes } = lastPrompt();
      expect(system).toMatch(/\nNow it is \w{3} \d{4}-\d\d-\d\d \d\d:\d\d \(Europe\/Berlin\)\.$/);
      expect(quotes).toEqual([
        { date: expect.stringMatching(/^2021-04-01 14:00 \(\d+ years ago\)$/), text: 'I planted the plum tree.' },
        {
          date: expect.stringMatching(/^2024-04-01 00:30 \(\d+ (months|years) ago\)$/),
          text: 'I planted the pear tree.',
        },
        {
          date: expect.stringMatching(/^2025-10-01 10:00 \(\d+ (months|years) ago\)$/),
          text: 'I planted the fig tree.',
        },
      ]);
      await chat('Which trees did I plant?');
      expect(lastPrompt().quotes[0]!.date).toMatch(/^2021-04-01 12:00/);
      const wrong = { message: 'Hello', user_id: user, timezone: 'Mars/Olympus' };
      expect(await sut.post('/chat', wrong)).toMatchObject({ status: 400, body: { code: 'REQUEST_INVALID' } });
    },
    LIMIT_MS,
  );

  it(
    'has the new version beside the old one, marked, and notes what was recalled',
    async () => {
      const old = await sut.post<{ id: string }>('/memories', { text: 'The rent is 700 a month.', user_id: user });
      const path = `/memories/${old.body.id}?user_id=${encodeURIComponent(user)}`;
      const edited = await sut.patch<{ id: string }>(path, { text: 'The rent is 820 a month.' });
      await add({ text: 'The landlord has a beard.' });
      const memories = await chat('How high is the rent?');
      expect(memories.slice(0, 2)).toMatchObject([
        { id: edited.body.id, is_current: true, superseded_by: null },
        { id: old.body.id, is_current: false, superseded_by: edited.body.id },
      ]);
      const { quotes } = lastPrompt();
      const newer = quotes.findIndex(({ text }) => text === 'The rent is 820 a month.');
      expect(quotes[newer]).toMatchObject({ date: expect.stringContaining('holds now') });
      expect(quotes[newer - 1]).toMatchObject({
        text: 'The rent is 700 a month.',
        date: expect.stringContaining('outdated since'),
      });
      await untilValue(
        async () => (await sut.get<{ recall_count: number }>(path)).body.recall_count,
        (recalls) => recalls >= 1,
      );
    },
    LIMIT_MS,
  );
});

describe('answers', () => {
  it(
    'become memories of their own with CAPTURE_ASSISTANT=all',
    async () => {
      const sut = await startBrain({ CAPTURE_ASSISTANT: 'all' });
      try {
        await sut.post('/chat', { message: 'Say something.', user_id: 'ada', session_id: 's' });
        const { memories } = await untilValue(
          async () => (await sut.get<{ memories: { text: string; role: string }[] }>('/memories?user_id=ada')).body,
          ({ memories: found }) => found.length >= 2,
          { timeoutMs: LIMIT_MS, details: () => sut.program.output() },
        );
        expect(memories).toMatchObject([
          { text: 'Hello.', role: 'assistant', session_id: 's' },
          { text: 'Say something.', role: 'user' },
        ]);
        await sut.post('/chat', { message: 'Was it hello that you said?', user_id: 'ada' });
        expect(lastPrompt().quotes).toContainEqual({
          date: expect.stringContaining('said by the assistant'),
          text: 'Hello.',
        });
      } finally {
        await sut.dispose();
      }
    },
    LIMIT_MS,
  );
});
