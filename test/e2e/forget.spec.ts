import { TestBrain } from '../support/brain.js';
import { type RedisServer, startRedis } from '../support/redis-server.js';
import { chatCompletion, sendJson, STUB_MODEL, StubVorpal } from '../support/stub-vorpal.js';
import { untilValue } from '../support/until.js';

const LIMIT_MS = 180_000;
const CHAT = '/v1/chat/completions';

describe.each(['sqlite', 'redis'] as const)('forgetting a user on %s', (kind) => {
  let vorpal: StubVorpal;
  let redis: RedisServer | undefined;
  let sut: TestBrain;

  beforeAll(async () => {
    vorpal = await StubVorpal.start();
    redis = kind === 'redis' ? await startRedis() : undefined;
    sut = await TestBrain.start({
      ...(redis && {
        REDIS_URL: redis.url,
        STREAM_KEY: `${redis.keyPrefix}forget`,
        REDIS_KEY_PREFIX: redis.keyPrefix,
      }),
      VORPAL_URL: vorpal.url,
      EMBEDDINGS_URL: vorpal.url,
      SESSION_READ_TIMEOUT_MS: '30000',
      RECALL_TIMEOUT_MS: '30000',
    });
  }, LIMIT_MS);

  afterAll(async () => {
    await sut.dispose();
    await redis?.stop();
    await vorpal.stop();
  });

  const decisions = async (): Promise<{ id: string }[]> =>
    (await sut.get<{ decisions: { id: string }[] }>('/decisions?user_id=ada')).body.decisions;

  it(
    'reaches a chat that is under way: neither its session nor a memory of it is written afterwards',
    async () => {
      const held = Promise.withResolvers<undefined>();
      const scoring = Promise.withResolvers<undefined>();
      vorpal.next(CHAT, async (_, response) => {
        await held.promise;
        sendJson(response, chatCompletion(STUB_MODEL, 'An answer in flight.'));
      });
      // Its message is in the worker's hands when its user is forgotten.
      vorpal.on('/v1/embeddings', async ({ body }, response) => {
        if (body.input.some((text) => text.includes('in flight'))) await scoring.promise;
        const data = body.input.map((_, index) => ({ index, object: 'embedding', embedding: [1, index + 1] }));
        sendJson(response, { object: 'list', model: 'embedder', data, usage: { prompt_tokens: 1, total_tokens: 1 } });
      });
      await sut.post('/memories', { text: 'Before all', user_id: 'ada' });
      const chatting = sut.post('/chat', { message: 'I am in flight.', user_id: 'ada', session_id: 's', memory: true });
      await sut.workerUntil(({ pending }) => (pending ?? 0) >= 1);

      expect((await sut.delete('/memories?user_id=ada')).status).toBe(200);
      scoring.resolve(undefined);
      held.resolve(undefined);
      expect((await chatting).status).toBe(200);

      await sut.post('/chat', { message: 'Who am I?', user_id: 'ada', session_id: 's' });
      const { messages } = vorpal.requestsFor(CHAT).at(-1)!.body;
      expect(messages.map(({ content }) => content).join()).not.toContain('in flight');
      await untilValue(decisions, ({ length }) => length >= 1, { details: () => sut.program.output() });
      await sut.workerUntil(({ pending, lag }) => pending === 0 && lag === 0);
      expect(await decisions()).toHaveLength(1);
      expect((await sut.get('/memories?user_id=ada&limit=100')).body.memories).not.toContainEqual(
        expect.objectContaining({ text: 'I am in flight.' }),
      );
    },
    LIMIT_MS,
  );
});
