import { jest } from '@jest/globals';
import { sendJson, StubVorpal } from '../../test/support/stub-vorpal.js';
import { failureOf, startVorpalModule, type VorpalParts } from '../../test/support/vorpal-module.js';
import { VorpalHealth } from './index.js';

describe(VorpalHealth.name, () => {
  let stub: StubVorpal;
  let parts: VorpalParts;

  beforeEach(async () => {
    stub = await StubVorpal.start();
    await start({ VORPAL_RETRIES: '2' });
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await parts.close();
    await stub.stop();
  });

  const start = async (environment: NodeJS.ProcessEnv): Promise<void> => {
    parts = await startVorpalModule({ VORPAL_URL: stub.url, VORPAL_CONNECT_TIMEOUT_MS: '60000', ...environment });
  };
  const restart = async (environment: NodeJS.ProcessEnv): Promise<void> => {
    await parts.close();
    await start(environment);
  };

  it('names the model', async () => {
    await expect(parts.health.check()).resolves.toMatchObject({
      vorpal: { status: 'up', kind: 'remote', model: 'stub-model', max_model_len: 2_048 },
    });
  });

  it('is degraded, and says what to do, where SCORING_PREFIX is no token of the model', async () => {
    await restart({ SCORING_PREFIX: '<|doc|>' });
    const { vorpal } = await parts.health.check();
    expect(vorpal).toMatchObject({ status: 'degraded', kind: 'remote', model: 'stub-model' });
    expect(vorpal.reason).toContain('SCORING_PREFIX');
    stub.on('/tokenize', (_, response) => {
      sendJson(response, { count: 1, max_model_len: 2_048, tokens: [7] });
    });
    await restart({ SCORING_PREFIX: '<|doc|>' });
    await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'up' } });
  });

  it('takes a server without a health route for alive', async () => {
    stub.on('/health', (_, response) => {
      sendJson(response, { detail: 'Not Found' }, 404);
    });
    await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'up' } });
  });

  it('passes on what a loading server says, and does not wait for it', async () => {
    stub.on('/health', (_, response) => {
      sendJson(response, { status: 'loading', message: 'fetching the model, 41 %' }, 503, { 'retry-after': '1' });
    });
    const { vorpal } = await parts.health.check();
    expect(vorpal).toMatchObject({ status: 'down', kind: 'remote' });
    expect(vorpal.reason).toContain('fetching the model, 41 %');
    expect(stub.requests).toHaveLength(1);
  });

  it('is down when nobody answers in time', async () => {
    await restart({ VORPAL_CONNECT_TIMEOUT_MS: '300' });
    stub.on('/health', () => undefined);
    await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'down' } });
  });

  it('asks once for checks that come together', async () => {
    // The clock stands still: on a busy machine a second may pass between two checks.
    const now = Date.now();
    jest.spyOn(Date, 'now').mockReturnValue(now);
    await Promise.all([parts.health.check(), parts.health.check()]);
    await parts.health.check();
    expect(stub.requestsFor('/health')).toHaveLength(1);
  });

  describe('beside chats', () => {
    const CHAT = '/v1/chat/completions';
    const OPEN_MS = 60_000;
    const chat = () => parts.client.chat({ messages: [{ role: 'user', content: 'Hi' }], maxTokens: 16 });

    beforeEach(async () => {
      await restart({ VORPAL_BREAKER_FAILURES: '1', VORPAL_BREAKER_OPEN_MS: String(OPEN_MS) });
    });

    const failOnce = async (): Promise<void> => {
      stub.next(CHAT, (_, response) => {
        sendJson(response, '', 503);
      });
      await failureOf(chat());
    };

    it('is down as long as chats fail at once, however well the server is by now', async () => {
      await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'up' } });
      await failOnce();
      const { vorpal } = await parts.health.check();
      expect(vorpal.status).toBe('down');
      expect(vorpal.reason).toBe((await failureOf(chat())).message);
      expect(stub.requestsFor('/health')).toHaveLength(1);
    });

    it('is up again no earlier than chats are answered, and lets them through itself', async () => {
      await failOnce();
      await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'down' } });
      const later = Date.now() + OPEN_MS;
      jest.spyOn(Date, 'now').mockReturnValue(later);
      await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'up' } });
      await expect(chat()).resolves.toMatchObject({ text: 'Hello.' });
      expect(stub.requestsFor('/health')).toHaveLength(1);
    });

    it('is up as soon as a chat is answered again, whatever was seen a moment ago', async () => {
      const shortMs = 500;
      await restart({ VORPAL_BREAKER_FAILURES: '1', VORPAL_BREAKER_OPEN_MS: String(shortMs) });
      const now = Date.now();
      jest.spyOn(Date, 'now').mockReturnValue(now);
      stub.next('/health', (_, response) => {
        sendJson(response, { status: 'loading', message: 'almost' }, 503);
      });
      await expect(parts.health.check()).resolves.toMatchObject({
        vorpal: { status: 'down', reason: expect.stringContaining('almost') },
      });
      await failOnce();
      jest.spyOn(Date, 'now').mockReturnValue(now + shortMs);
      await chat();
      await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'up' } });
    });
  });

  describe('of embeddings', () => {
    const EMBEDDINGS = '/v1/embeddings';

    beforeEach(async () => {
      await restart({ EMBEDDINGS_URL: stub.url });
    });

    it('is up when a sentence was embedded, which is asked for once', async () => {
      await expect(parts.health.checkEmbeddings()).resolves.toMatchObject({
        embeddings: { status: 'up', kind: 'remote', model: 'all-MiniLM-L6-v2' },
      });
      for (let count = 0; count < 3; count++) await parts.client.checkEmbeddings();
      expect(stub.requestsFor(EMBEDDINGS)).toHaveLength(1);
    });

    it('is up without a question once anything was embedded', async () => {
      await parts.client.embed(['a']);
      await expect(parts.health.checkEmbeddings()).resolves.toMatchObject({ embeddings: { status: 'up' } });
      expect(stub.requestsFor(EMBEDDINGS)).toHaveLength(1);
    });

    it.each([
      ['has no such route, as vLLM 0.32 with a chat model', { detail: 'Not Found' }, 404],
      ['refuses, as older ones', { error: { message: 'The model does not support Embeddings API' } }, 400],
    ])('is down and says what to do where the server %s', async (_, body, status) => {
      stub.on(EMBEDDINGS, (__, response) => {
        sendJson(response, body, status);
      });
      const { embeddings } = await parts.health.checkEmbeddings();
      expect(embeddings).toMatchObject({ status: 'down', kind: 'remote' });
      expect(embeddings.reason).toMatch(/chat model.*embedding model.*EMBEDDINGS_URL/);
    });

    it('is down where the server stops embedding after it did', async () => {
      await parts.client.embed(['a']);
      stub.on(EMBEDDINGS, (_, response) => {
        sendJson(response, { detail: 'Not Found' }, 404);
      });
      expect(await failureOf(parts.client.embed(['a']))).toMatchObject({ code: 'VORPAL_EMBEDDINGS_UNSUPPORTED' });
      await expect(parts.health.checkEmbeddings()).resolves.toMatchObject({ embeddings: { status: 'down' } });
    });

    it('is up where the server has too much to do to embed now', async () => {
      await restart({ EMBEDDINGS_URL: stub.url, VORPAL_CONNECT_TIMEOUT_MS: '6000' });
      stub.on(EMBEDDINGS, () => undefined);
      await expect(parts.health.checkEmbeddings()).resolves.toMatchObject({ embeddings: { status: 'up' } });
    });

    it('is down where nobody answers', async () => {
      await restart({ EMBEDDINGS_URL: stub.url, VORPAL_CONNECT_TIMEOUT_MS: '300' });
      stub.on('/health', () => undefined).on(EMBEDDINGS, () => undefined);
      await expect(parts.health.checkEmbeddings()).resolves.toMatchObject({ embeddings: { status: 'down' } });
    });
  });
});
