import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { isAbortError } from '../shared/index.js';
import type { ChatCompletionChunk } from '@archive-brain/vllm-protocol';
import { chatChunk, sendEvents, sendJson, sse, type StubHandler, StubVorpal } from '../../test/support/stub-vorpal.js';
import { failureOf, startVorpalModule, type VorpalParts } from '../../test/support/vorpal-module.js';
import {
  VorpalClient,
  VorpalContextLengthError,
  VorpalFailedError,
  VorpalProtocolError,
  VorpalTimeoutError,
  VorpalUnavailableError,
} from './index.js';

const CHAT = '/v1/chat/completions';
const question = { messages: [{ role: 'user', content: 'Hi' }], maxTokens: 16 };
const SHORT_MS = '300';

const begin = (response: ServerResponse, ...payloads: unknown[]): void => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(payloads.map(sse).join(''));
};
const events =
  (...payloads: unknown[]): StubHandler =>
  (_, response) => {
    sendEvents(response, payloads);
  };

describe(`${VorpalClient.name}.streamChat`, () => {
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
    parts = await startVorpalModule({ VORPAL_URL: stub.url, ...environment });
    return parts.client;
  };
  const read = async (sut: VorpalClient, signal?: AbortSignal): Promise<string> => {
    let text = '';
    for await (const chunk of sut.streamChat({ ...question, signal })) text += chunk.choices[0]?.delta.content ?? '';
    return text;
  };

  it('gives the pieces in order and the usage last', async () => {
    const sut = await start();
    const usage = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };
    stub.next(
      CHAT,
      events(
        chatChunk('He'),
        chatChunk('llo'),
        chatChunk(undefined, 'stop'),
        { ...chatChunk(''), choices: [], usage },
        '[DONE]',
      ),
    );
    const chunks: ChatCompletionChunk[] = [];
    for await (const chunk of sut.streamChat(question)) chunks.push(chunk);
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content)).toEqual(['He', 'llo', undefined, undefined]);
    expect(chunks.at(-1)?.usage).toEqual(usage);
    expect(stub.requestsFor(CHAT)[0]?.body).toMatchObject({ stream: true, stream_options: { include_usage: true } });
  });

  it('does not mind where the bytes are cut', async () => {
    const sut = await start();
    stub.next(CHAT, async (_, response) => {
      const bytes = Buffer.from(sse(chatChunk('naïve 🦊')) + sse('[DONE]'));
      response.writeHead(200);
      for (const byte of bytes)
        await new Promise<void>((resolve) =>
          response.write(Buffer.of(byte), () => {
            resolve();
          }),
        );
      response.end();
    });
    await expect(read(sut)).resolves.toBe('naïve 🦊');
  });

  it('passes each piece on before the next one exists', async () => {
    const sut = await start();
    const response = Promise.withResolvers<ServerResponse>();
    stub.next(CHAT, (_, upstream) => {
      begin(upstream, chatChunk('one'));
      response.resolve(upstream);
    });
    const chunks = sut.streamChat(question);
    expect((await chunks.next()).value).toMatchObject({ choices: [{ delta: { content: 'one' } }] });
    (await response.promise).end(sse(chatChunk('two')) + sse('[DONE]'));
    expect((await chunks.next()).value).toMatchObject({ choices: [{ delta: { content: 'two' } }] });
    expect(await chunks.next()).toEqual({ done: true, value: undefined });
  });

  it('reads no faster than the pieces are taken', async () => {
    const sut = await start();
    const offered = 256 * 1024 * 1024;
    const block = Buffer.from(sse(chatChunk('x'.repeat(65_000))));
    const written = Promise.withResolvers<() => number>();
    stub.next(CHAT, async ({ abandoned }, response) => {
      let bytes = 0;
      response.writeHead(200);
      written.resolve(() => bytes);
      while (bytes < offered && !response.destroyed) {
        bytes += block.length;
        if (!response.write(block)) await Promise.race([once(response, 'drain'), abandoned]);
      }
    });
    const chunks = sut.streamChat(question);
    await chunks.next();
    const count = await written.promise;
    let before = -1;
    while (before !== count()) {
      before = count();
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    // What the kernel's buffers on both ends hold; a reader ahead of its consumer would have taken all.
    expect(count()).toBeLessThan(offered / 4);
    await chunks.return();
    await stub.requestsFor(CHAT)[0]?.abandoned;
  });

  it('ends the generation when the reader stops', async () => {
    const sut = await start();
    stub.next(CHAT, (_, response) => {
      begin(response, chatChunk('one'), chatChunk('two'));
    });
    for await (const chunk of sut.streamChat(question)) {
      expect(chunk.choices).toHaveLength(1);
      break;
    }
    await stub.requestsFor(CHAT)[0]?.abandoned;
  });

  it('ends the generation when the caller aborts, whether it waits for a piece or holds one', async () => {
    const sut = await start();
    for (const waiting of [true, false]) {
      const controller = new AbortController();
      stub.next(CHAT, (_, response) => {
        begin(response, chatChunk('one'));
      });
      const chunks = sut.streamChat({ ...question, signal: controller.signal });
      await chunks.next();
      const next = waiting ? failureOf(chunks.next()) : undefined;
      controller.abort(new Error('the client went away'));
      await stub.requestsFor(CHAT).at(-1)?.abandoned;
      expect(isAbortError(await (next ?? failureOf(chunks.next())))).toBe(true);
    }
  });

  it('asks nothing for a caller that is gone already', async () => {
    const sut = await start();
    expect(isAbortError(await failureOf(read(sut, AbortSignal.abort())))).toBe(true);
    expect(stub.requests).toHaveLength(0);
  });

  describe('fails', () => {
    it('when it ends without [DONE]', async () => {
      const sut = await start();
      stub.next(CHAT, events(chatChunk('one')));
      const error = await failureOf(read(sut));
      expect(error).toBeInstanceOf(VorpalUnavailableError);
      expect(error.message).toContain('broke off');
    });

    it('when the connection is reset between pieces, and does not repeat what was given', async () => {
      const sut = await start({ VORPAL_RETRIES: '3' });
      stub.on(CHAT, (_, response) => {
        begin(response, chatChunk('one'));
        response.once('drain', () => response.socket?.resetAndDestroy());
        setImmediate(() => response.socket?.resetAndDestroy());
      });
      expect(await failureOf(read(sut))).toBeInstanceOf(VorpalUnavailableError);
      expect(stub.requestsFor(CHAT)).toHaveLength(1);
    });

    it('when the server falls silent', async () => {
      const sut = await start({ VORPAL_CHAT_TIMEOUT_MS: SHORT_MS });
      stub.next(CHAT, (_, response) => {
        begin(response, chatChunk('one'));
      });
      expect(await failureOf(read(sut))).toBeInstanceOf(VorpalTimeoutError);
      await stub.requestsFor(CHAT)[0]?.abandoned;
    });

    it('when bytes drip but no event is ever complete', async () => {
      const sut = await start({ VORPAL_CHAT_TIMEOUT_MS: SHORT_MS });
      stub.next(CHAT, (_, response) => {
        begin(response, chatChunk('one'));
        const drip = setInterval(() => response.write(': still here\n'), 20);
        response.on('close', () => {
          clearInterval(drip);
        });
      });
      expect(await failureOf(read(sut))).toBeInstanceOf(VorpalTimeoutError);
    });

    it('but not because the reader takes long over a piece', async () => {
      const limitMs = 1_000;
      const sut = await start({ VORPAL_CHAT_TIMEOUT_MS: String(limitMs) });
      stub.next(CHAT, events(chatChunk('one'), chatChunk('two'), '[DONE]'));
      let text = '';
      for await (const chunk of sut.streamChat(question)) {
        text += chunk.choices[0]?.delta.content ?? '';
        await new Promise((resolve) => setTimeout(resolve, 1.5 * limitMs));
      }
      expect(text).toBe('onetwo');
    });

    it('with the error that the server sends inside the stream', async () => {
      const sut = await start();
      stub.next(
        CHAT,
        events(chatChunk('one'), { error: { message: 'boom', type: 'InternalServerError', code: 500 } }, '[DONE]'),
      );
      const error = await failureOf(read(sut));
      expect(error).toBeInstanceOf(VorpalFailedError);
      expect(error.message).toContain('boom');
      const message = "This model's maximum context length is 10 tokens.";
      stub.next(CHAT, events({ error: { message, type: 'BadRequestError', code: 400 } }, '[DONE]'));
      expect(await failureOf(read(sut))).toBeInstanceOf(VorpalContextLengthError);
    });

    it('on a piece that is not JSON, or none of a chat', async () => {
      const sut = await start();
      stub.next(CHAT, events('{"id":')).next(CHAT, events({ hello: 1 }));
      expect(await failureOf(read(sut))).toBeInstanceOf(VorpalProtocolError);
      expect(await failureOf(read(sut))).toBeInstanceOf(VorpalProtocolError);
    });

    it('with the named error of a refusal', async () => {
      const sut = await start();
      stub.next(CHAT, (_, response) => {
        const message = "This model's maximum context length is 10 tokens.";
        sendJson(response, { error: { message, type: 'BadRequestError', code: 400 } }, 400);
      });
      expect(await failureOf(read(sut))).toBeInstanceOf(VorpalContextLengthError);
    });
  });

  it('tries again what failed before the first piece', async () => {
    const sut = await start({ VORPAL_RETRIES: '1' });
    stub.next(CHAT, (_, response) => {
      sendJson(response, '', 503);
    });
    await expect(read(sut)).resolves.toBe('Hello.');
  });

  it('looks the model up again when the server has another one', async () => {
    const sut = await start();
    await sut.model();
    stub.model = 'replacement';
    stub.next(CHAT, (_, response) => {
      sendJson(response, { error: { message: 'The model `stub-model` does not exist.', type: 'NotFoundError' } }, 404);
    });
    await expect(read(sut)).resolves.toBe('Hello.');
    expect(stub.requestsFor(CHAT).map(({ body }) => body.model)).toEqual(['stub-model', 'replacement']);
  });
});
