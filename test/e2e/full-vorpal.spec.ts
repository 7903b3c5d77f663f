import type { ServerResponse } from 'node:http';
import { TestBrain } from '../support/brain.js';
import { chatCompletion, chatChunk, sendJson, sse, STUB_MODEL, StubVorpal } from '../support/stub-vorpal.js';
import { until } from '../support/until.js';

const CHAT = '/v1/chat/completions';
const LIMIT_MS = 120_000;

describe('a Vorpal', () => {
  let stub: StubVorpal;
  let sut: TestBrain;

  beforeEach(async () => {
    stub = await StubVorpal.start();
  });

  afterEach(async () => {
    await sut.dispose();
    await stub.stop();
  });

  const start = async (environment: NodeJS.ProcessEnv): Promise<void> => {
    sut = await TestBrain.start({ VORPAL_URL: stub.url, EMBEDDINGS_URL: stub.url, ...environment });
  };

  it(
    'that answers as many chats as it may costs one more a 503 with Retry-After, and nobody else anything',
    async () => {
      await start({ CHAT_CONCURRENCY: '2' });
      const held: ServerResponse[] = [];
      stub.on(CHAT, (_, response) => {
        held.push(response);
      });
      const plain = sut.post('/chat', { message: 'first' });
      await until(() => held.length >= 1, 'the first chat is held');
      const streamed = sut.post('/chat', { message: 'second', stream: true });
      await until(() => held.length >= 2, 'the second chat is held');

      for (const stream of [false, true]) {
        const refused = await sut.post('/chat', { message: 'one too many', stream });
        expect(refused).toMatchObject({ status: 503, body: { code: 'VORPAL_OVERLOADED' } });
        expect(refused.headers.get('retry-after')).toBe('2');
      }
      expect((await sut.get('/health/ready')).status).toBe(200);
      await sut.workerUntil(({ processed, lag }) => processed >= 4 && lag === 0);

      const [first, second] = held;
      sendJson(first!, chatCompletion(STUB_MODEL, 'Hello.'));
      second!.writeHead(200).end(sse(chatChunk('Hello.')) + sse('[DONE]'));
      expect(await plain).toMatchObject({ status: 200, body: { response: 'Hello.' } });
      expect(await streamed).toMatchObject({ status: 200, body: expect.stringContaining('Hello.') });
      stub.on(CHAT, (_, response) => {
        sendJson(response, chatCompletion(STUB_MODEL, 'Hello again.'));
      });
      expect(await sut.post('/chat', { message: 'later' })).toMatchObject({ status: 200 });
    },
    LIMIT_MS,
  );

  it(
    'with a chat model at EMBEDDINGS_URL is named in /health, with what to do, while chats go on',
    async () => {
      stub.on('/v1/embeddings', (_, response) => {
        sendJson(response, { detail: 'Not Found' }, 404);
      });
      await start({});
      expect(await sut.get('/health')).toMatchObject({
        status: 503,
        body: { error: { embeddings: { status: 'down', reason: expect.stringContaining('EMBEDDINGS_URL') } } },
      });
      expect((await sut.get('/health/ready')).status).toBe(200);
      expect(await sut.post('/chat', { message: 'Hi' })).toMatchObject({ status: 200, body: { memories: null } });
    },
    LIMIT_MS,
  );

  it(
    'whose chats fail at once is not ready, however well it is by now',
    async () => {
      await start({ VORPAL_RETRIES: '0', VORPAL_BREAKER_FAILURES: '1', VORPAL_BREAKER_OPEN_MS: '600000' });
      expect((await sut.get('/health/ready')).status).toBe(200);
      stub.next(CHAT, (_, response) => {
        sendJson(response, '', 503);
      });
      expect((await sut.post('/chat', { message: 'Hi' })).status).toBe(503);
      expect((await sut.post('/chat', { message: 'Hi' })).status).toBe(503);
      expect((await sut.get('/health/ready')).status).toBe(503);
    },
    LIMIT_MS,
  );
});
