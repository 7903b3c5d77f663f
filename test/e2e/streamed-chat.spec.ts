import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingMessage, request, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { TestBrain } from '../support/brain.js';
import { chatEvents, collect } from '../support/chat-events.js';
import { chatChunk, sendEvents, sendJson, sse, type StubHandler } from '../support/stub-vorpal.js';
import { untilValue } from '../support/until.js';
import { useStubVorpal } from '../support/use-stub-vorpal.js';

const CHAT = '/v1/chat/completions';
const LIMIT_MS = 120_000;
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 };

const whole: StubHandler = (_, response) => {
  const usage = { ...chatChunk(undefined), choices: [], usage: USAGE };
  sendEvents(response, [
    chatChunk(''),
    chatChunk('He'),
    chatChunk('llo.'),
    chatChunk(undefined, 'stop'),
    usage,
    '[DONE]',
  ]);
};

/** Sends `pieces` and hands the open answer out. */
function hold(...pieces: readonly string[]) {
  const open = Promise.withResolvers<ServerResponse>();
  const handler: StubHandler = (_, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const piece of pieces) response.write(sse(chatChunk(piece)));
    response.flushHeaders();
    open.resolve(response);
  };
  return { handler, response: open.promise };
}

describe('a streamed chat', () => {
  const stub = useStubVorpal();
  let sut: TestBrain;

  beforeAll(async () => {
    sut = await start();
  }, LIMIT_MS);

  afterAll(() => sut.dispose());

  const start = (environment: NodeJS.ProcessEnv = {}) =>
    TestBrain.start({
      VORPAL_URL: stub().url,
      EMBEDDINGS_URL: stub().url,
      VORPAL_RETRIES: '0',
      VORPAL_BREAKER_FAILURES: '100',
      // One batch after another, so that what is captured later is decided on later.
      WORKER_MAX_BATCHES: '1',
      ...environment,
    });

  const ask = (body: object, signal?: AbortSignal, brain = sut) =>
    fetch(`${brain.url}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ message: 'Hi', stream: true, ...body }),
      signal: signal ?? null,
    });
  const readAll = (response: Response) => collect(chatEvents(response));
  /** What Vorpal is sent with a plain chat of the session: what was said before, and the message. */
  const promptOf = async (session_id: string) => {
    await sut.post('/chat', { message: 'And now?', session_id, memory: false });
    return stub()
      .requestsFor(CHAT)
      .at(-1)!
      .body.messages.slice(1)
      .map(({ content }) => content);
  };
  /** The sessions of what was captured of a user, in that order, once there are so many. */
  const captured = async (user_id: string, count: number) => {
    const { body } = await untilValue(
      () => sut.get<{ decisions: { session_id: string }[] }>(`/decisions?user_id=${user_id}`),
      ({ body: { decisions } }) => decisions.length >= count,
      { details: () => sut.program.output() },
    );
    return body.decisions.map(({ session_id }) => session_id).reverse();
  };

  it('comes in pieces, at last the fields of a plain answer', async () => {
    stub().next(CHAT, whole);
    const session_id = randomUUID();
    const response = await ask({ session_id });
    expect(response.status).toBe(200);
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      'x-accel-buffering': 'no',
    });
    const events = await readAll(response);
    const { body: plain } = await sut.post('/chat', { message: 'Hi', session_id: randomUUID() });
    expect(events).toEqual([
      { type: 'delta', text: 'He' },
      { type: 'delta', text: 'llo.' },
      { type: 'done', ...plain, session_id },
    ]);
    expect(stub().requestsFor(CHAT)[0]?.body).toMatchObject({ stream_options: { include_usage: true } });
  });

  it('is an ordinary answer with "stream": false, and nothing else than true or false', async () => {
    expect(await sut.post('/chat', { message: 'Hi', stream: false })).toMatchObject({ body: { response: 'Hello.' } });
    expect(await sut.post('/chat', { message: 'Hi', stream: 'yes' })).toMatchObject({ status: 400 });
  });

  it('has each piece at once', async () => {
    const vorpal = hold('', 'one');
    stub().next(CHAT, vorpal.handler);
    const events = chatEvents(await ask({}));
    expect((await events.next()).value).toEqual({ type: 'delta', text: 'one' });
    (await vorpal.response).end(sse(chatChunk('two')) + sse('[DONE]'));
    expect((await events.next()).value).toEqual({ type: 'delta', text: 'two' });
    expect((await events.next()).value).toMatchObject({ type: 'done', response: 'onetwo', usage: null });
    expect((await events.next()).done).toBe(true);
  });

  it('tells an answer without a word', async () => {
    stub().next(CHAT, (_, response) => {
      sendEvents(response, [chatChunk(undefined, 'stop'), '[DONE]']);
    });
    expect(await readAll(await ask({}))).toMatchObject([{ type: 'done', response: '' }]);
  });

  it('is part of its session once it is complete', async () => {
    const session_id = randomUUID();
    stub().next(CHAT, whole);
    await readAll(await ask({ session_id }));
    expect(await promptOf(session_id)).toEqual(['Hi', 'Hello.', 'And now?']);
  });

  it('is captured like a plain one, and not with "memory": false', async () => {
    const user_id = randomUUID();
    await readAll(await ask({ user_id, session_id: 'streamed' }));
    await readAll(await ask({ user_id, session_id: 'not for memory', memory: false }));
    // What a user says is decided on in its order: after this one, the one before is not to come any more.
    await readAll(await ask({ user_id, session_id: 'the last' }));
    expect(await captured(user_id, 2)).toEqual(['streamed', 'the last']);
  });

  describe('that fails before its first piece', () => {
    const status =
      (code: number): StubHandler =>
      (_, response) => {
        sendJson(response, '', code);
      };
    const events =
      (...payloads: unknown[]): StubHandler =>
      (_, response) => {
        sendEvents(response, payloads);
      };
    const failure = { error: { message: 'boom', type: 'InternalServerError', code: 500 } };

    it.each<[string, StubHandler, number, string]>([
      ['a server that loads', status(503), 503, 'VORPAL_UNAVAILABLE'],
      ['a refusal', status(400), 400, 'VORPAL_REQUEST_REFUSED'],
      ['an error within the stream', events(failure, '[DONE]'), 502, 'VORPAL_FAILED'],
      ['a stream that ends at once', events(chatChunk('')), 503, 'VORPAL_UNAVAILABLE'],
    ])('is answered with its status: %s', async (_, handler, expected, code) => {
      stub().next(CHAT, handler);
      const response = await ask({});
      expect(response.status).toBe(expected);
      expect(response.headers.get('content-type')).toContain('application/problem+json');
      expect(response.headers.get('retry-after')).toBe(expected === 503 ? '5' : null);
      expect(await response.json()).toMatchObject({ status: expected, code });
    });

    it('is refused as any other request', async () => {
      expect((await ask({ message: ' ' })).status).toBe(400);
      expect((await ask({ message: 'a'.repeat(32_769) })).status).toBe(413);
    });
  });

  describe('that fails later', () => {
    it.each<[string, (upstream: ServerResponse) => void, string, number]>([
      ['breaks off', (upstream) => void upstream.socket?.resetAndDestroy(), 'VORPAL_UNAVAILABLE', 503],
      [
        'sends an error',
        (upstream) => void upstream.end(sse({ error: { message: 'boom', type: 'X', code: 500 } })),
        'VORPAL_FAILED',
        502,
      ],
      ['sends nonsense', (upstream) => void upstream.end(sse('{"id":')), 'VORPAL_PROTOCOL', 502],
    ])('ends with the error: Vorpal %s', async (_, fail, code, status) => {
      const session_id = randomUUID();
      const vorpal = hold('one');
      stub().next(CHAT, vorpal.handler);
      const events = chatEvents(await ask({ session_id }));
      expect((await events.next()).value).toEqual({ type: 'delta', text: 'one' });
      fail(await vorpal.response);
      const rest = await collect(events);
      expect(rest).toEqual([
        { type: 'error', title: expect.any(String), status, code, detail: expect.stringMatching(/\S/) },
      ]);
      expect(await promptOf(session_id)).toEqual(['And now?']);
    });
  });

  describe('whose client goes away', () => {
    it.each([
      ['before the first piece', []],
      ['in the middle', ['one']],
    ])('%s ends the generation and leaves nothing in the session', async (_, pieces) => {
      const [session_id, user_id] = [randomUUID(), randomUUID()];
      const vorpal = hold(...pieces);
      stub().next(CHAT, vorpal.handler);
      const client = new AbortController();
      const asking = ask({ session_id, user_id }, client.signal);
      await vorpal.response;
      const events = pieces.length > 0 ? chatEvents(await asking) : undefined;
      await events?.next();
      const ended = events === undefined ? asking : events.next();
      client.abort();
      await expect(ended).rejects.toThrow();
      await stub().requestsFor(CHAT).at(-1)?.abandoned;
      expect(await promptOf(session_id)).toEqual(['And now?']);
      expect(await captured(user_id, 1)).toEqual([session_id]);
    });

    it('gives its connection to Vorpal back, however many do', async () => {
      const clients = Array.from({ length: 20 }, () => new AbortController());
      const answers = clients.map(({ signal }) => {
        const vorpal = hold('one');
        stub().next(CHAT, vorpal.handler);
        return { asking: ask({}, signal), vorpal };
      });
      await Promise.all(answers.map(({ asking }) => asking));
      for (const client of clients) client.abort();
      const requests = stub().requestsFor(CHAT);
      expect(requests).toHaveLength(20);
      // Which is when its connection is closed.
      await Promise.all(requests.map(({ abandoned }) => abandoned));
      expect(await sut.post('/chat', { message: 'Still there?' })).toMatchObject({ status: 200 });
    });
  });

  it(
    'is read from Vorpal only as fast as its client takes it',
    async () => {
      const offered = 100 * 1024 * 1024;
      const block = Buffer.from(sse(chatChunk('x'.repeat(65_000))));
      let bytes = 0;
      stub().next(CHAT, async ({ abandoned }, response) => {
        response.writeHead(200);
        while (bytes < offered && !response.destroyed) {
          bytes += block.length;
          if (!response.write(block)) await Promise.race([once(response, 'drain'), abandoned]);
        }
      });
      const client = request(`${sut.url}/chat`, { method: 'POST', headers: { 'content-type': 'application/json' } });
      client.on('error', () => undefined).end(JSON.stringify({ message: 'Hi', stream: true }));
      const [response] = (await once(client, 'response')) as [IncomingMessage];
      let before = -1;
      while (before !== bytes) {
        before = bytes;
        await delay(500);
      }
      // What the kernel's buffers of two connections hold; a brain ahead of its client would have taken all.
      expect(bytes).toBeLessThan(offered / 3);
      response.destroy();
      await stub().requestsFor(CHAT).at(-1)?.abandoned;
    },
    LIMIT_MS,
  );

  it('is finished when the brain is told to stop', async () => {
    const brain = await start();
    try {
      const vorpal = hold('one');
      stub().next(CHAT, vorpal.handler);
      const events = chatEvents(await ask({}, undefined, brain));
      await events.next();
      const ended = brain.program.end('SIGTERM');
      await brain.program.waitForLog(/^Waiting for 1 request/);
      (await vorpal.response).end(sse(chatChunk('two')) + sse('[DONE]'));
      expect(await collect(events)).toMatchObject([
        { type: 'delta', text: 'two' },
        { type: 'done', response: 'onetwo' },
      ]);
      expect(await ended).toBe(0);
    } finally {
      await brain.dispose();
    }
  });
});
