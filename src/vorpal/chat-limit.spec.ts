import type { ServerResponse } from 'node:http';
import { until } from '../../test/support/until.js';
import { chatChunk, chatCompletion, sendJson, sse, STUB_MODEL, StubVorpal } from '../../test/support/stub-vorpal.js';
import { failureOf, startVorpalModule, type VorpalParts } from '../../test/support/vorpal-module.js';
import { VorpalClient, VorpalOverloadedError, VorpalTimeoutError } from './index.js';

const CHAT = '/v1/chat/completions';
const SCORING = '/v1/completions';
const question = { messages: [{ role: 'user', content: 'Hi' }], maxTokens: 16 };

describe(`${VorpalClient.name} with many chats`, () => {
  let stub: StubVorpal;
  let parts: VorpalParts;

  beforeEach(async () => {
    stub = await StubVorpal.start();
  });

  afterEach(async () => {
    await parts.close();
    await stub.stop();
  });

  const start = async (environment: NodeJS.ProcessEnv = {}): Promise<VorpalClient> => {
    // A probe that a busy machine answers late would be taken for an outage.
    const breaker = {
      VORPAL_BREAKER_FAILURES: '1',
      VORPAL_BREAKER_OPEN_MS: '60000',
      VORPAL_CONNECT_TIMEOUT_MS: '60000',
    };
    parts = await startVorpalModule({ VORPAL_URL: stub.url, ...breaker, ...environment });
    return parts.client;
  };
  /** Requests for `path` get no answer until the function that is returned gives them all theirs. */
  const hold = (path: string, answer: (response: ServerResponse) => void): (() => void) => {
    const held: ServerResponse[] = [];
    stub.on(path, (_, response) => {
      held.push(response);
    });
    return () => {
      stub.on(path, (_, response) => {
        answer(response);
      });
      held.forEach(answer);
    };
  };
  const holdChats = () =>
    hold(CHAT, (response) => {
      sendJson(response, chatCompletion(STUB_MODEL, 'Hello.'));
    });
  const chat = (sut: VorpalClient, signal?: AbortSignal) => sut.chat({ ...question, signal });
  const score = (sut: VorpalClient) => sut.scorePrompts([[1, 2]], { model: STUB_MODEL });
  const arrived = (path: string, count: number) =>
    until(() => stub.requestsFor(path).length >= count, `${count} requests for ${path} arrive`);

  it('refuses the one too many at once, with when to come back, while the others go on', async () => {
    const sut = await start({ CHAT_CONCURRENCY: '2' });
    const release = holdChats();
    const others = [chat(sut), chat(sut)];
    await arrived(CHAT, 2);
    const error = await failureOf(chat(sut));
    expect(error).toBeInstanceOf(VorpalOverloadedError);
    expect(error).toMatchObject({ httpStatus: 503, retryAfterSeconds: 2 });
    expect(await failureOf(sut.streamChat(question).next())).toBeInstanceOf(VorpalOverloadedError);
    expect(stub.requestsFor(CHAT)).toHaveLength(2);

    release();
    for (const { text } of await Promise.all(others)) expect(text).toBe('Hello.');
    await expect(chat(sut)).resolves.toMatchObject({ text: 'Hello.' });
  });

  it('gives the place of a chat free however it ends', async () => {
    const sut = await start({ CHAT_CONCURRENCY: '1', VORPAL_BREAKER_FAILURES: '100' });
    stub.next(CHAT, (_, response) => {
      sendJson(response, '', 503);
    });
    await failureOf(chat(sut));
    const caller = new AbortController();
    stub.next(CHAT, () => {
      caller.abort();
    });
    await failureOf(chat(sut, caller.signal));
    await failureOf(chat(sut, AbortSignal.abort()));
    await expect(chat(sut)).resolves.toMatchObject({ text: 'Hello.' });
  });

  it('counts a streamed answer until it ends, is broken off, or is left', async () => {
    const sut = await start({ CHAT_CONCURRENCY: '1' });
    const endings: ((chunks: AsyncGenerator, caller: AbortController, response: ServerResponse) => Promise<unknown>)[] =
      [
        (chunks, _, response) => {
          response.end(sse('[DONE]'));
          return chunks.next();
        },
        (chunks, _, response) => {
          response.socket?.resetAndDestroy();
          return failureOf(chunks.next());
        },
        (chunks, caller) => {
          caller.abort();
          return failureOf(chunks.next());
        },
        (chunks) => chunks.return(undefined),
      ];
    for (const end of endings) {
      const begun = Promise.withResolvers<ServerResponse>();
      stub.next(CHAT, (_, response) => {
        response.writeHead(200).write(sse(chatChunk('one')));
        begun.resolve(response);
      });
      const caller = new AbortController();
      const chunks = sut.streamChat({ ...question, signal: caller.signal });
      await chunks.next();
      expect(await failureOf(chat(sut))).toBeInstanceOf(VorpalOverloadedError);
      await end(chunks, caller, await begun.promise);
      await expect(chat(sut)).resolves.toMatchObject({ text: 'Hello.' });
    }
  });

  it('scores and embeds while as many chats as it may are held', async () => {
    const sut = await start();
    const release = holdChats();
    const outcomes = Array.from({ length: 300 }, () => chat(sut).catch((error: unknown) => error));
    await arrived(CHAT, 256);

    await expect(score(sut)).resolves.toHaveLength(1);
    await expect(sut.embed(['a'])).resolves.toMatchObject({ vectors: [Float32Array.of(1, 1)] });
    await expect(sut.tokenize('ab', { addSpecialTokens: false })).resolves.toEqual([97, 98]);
    await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'up' } });

    release();
    const all = await Promise.all(outcomes);
    expect(all.filter((outcome) => outcome instanceof VorpalOverloadedError)).toHaveLength(44);
    expect(all.filter((outcome) => !(outcome instanceof Error))).toHaveLength(256);
    await expect(chat(sut)).resolves.toMatchObject({ text: 'Hello.' });
  });

  it('chats while scoring takes all the connections it may', async () => {
    const sut = await start({ SCORING_CONCURRENCY: '256' });
    const release = hold(SCORING, (response) => {
      sendJson(response, { error: { message: 'done', type: 'BadRequestError' } }, 400);
    });
    const scoring = Array.from({ length: 256 }, () => failureOf(score(sut)));
    await arrived(SCORING, 256);

    await expect(chat(sut)).resolves.toMatchObject({ text: 'Hello.' });
    await expect(parts.health.check()).resolves.toMatchObject({ vorpal: { status: 'up' } });

    release();
    await Promise.all(scoring);
  });

  it('does not take a server for broken that is too full to answer chats in time', async () => {
    const sut = await start({ VORPAL_CHAT_TIMEOUT_MS: '3000' });
    holdChats();
    for (const error of await Promise.all([chat(sut), chat(sut), chat(sut)].map(failureOf))) {
      expect(error).toBeInstanceOf(VorpalTimeoutError);
    }
    stub.on(CHAT, (_, response) => {
      sendJson(response, chatCompletion(STUB_MODEL, 'Hello.'));
    });
    await expect(chat(sut)).resolves.toMatchObject({ text: 'Hello.' });
  });

  it('asks for the model once, however many ask for an answer', async () => {
    const sut = await start();
    await Promise.all(Array.from({ length: 50 }, () => chat(sut)));
    expect(stub.requestsFor('/v1/models')).toHaveLength(1);
  });
});
