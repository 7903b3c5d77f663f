import { jest } from '@jest/globals';
import { getEventListeners } from 'node:events';
import { createServer } from 'node:net';
import { isAbortError } from '../shared/index.js';
import {
  chatCompletion,
  embeddings,
  modelList,
  sendJson,
  STUB_MODEL,
  type StubHandler,
  StubVorpal,
} from '../../test/support/stub-vorpal.js';
import { failureOf, startVorpalModule, TEST_KEY, type VorpalParts } from '../../test/support/vorpal-module.js';
import {
  VorpalAnswerLengthError,
  VorpalAuthenticationError,
  VorpalClient,
  VorpalContextLengthError,
  VorpalEndpoint,
  VorpalFailedError,
  VorpalModelNotFoundError,
  VorpalOverloadedError,
  VorpalProtocolError,
  VorpalRequestError,
  VorpalTimeoutError,
  VorpalUnavailableError,
} from './index.js';

const CHAT = '/v1/chat/completions';
const question = { messages: [{ role: 'user', content: 'Hi' }], maxTokens: 16 };
// Far above what a local answer takes, far below the test's own limit.
const SHORT_MS = '300';

const reset: StubHandler = (_, response) => void response.socket?.resetAndDestroy();
const silence: StubHandler = () => undefined;
const answer =
  (payload: unknown, status = 200, headers = {}): StubHandler =>
  (_, response) => {
    sendJson(response, payload, status, headers);
  };

describe(VorpalClient.name, () => {
  let stub: StubVorpal;
  let parts: VorpalParts | undefined;

  beforeEach(async () => {
    stub = await StubVorpal.start();
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await parts?.close();
    await stub.stop();
  });

  const start = async (environment: NodeJS.ProcessEnv = {}, endpoint?: VorpalEndpoint): Promise<VorpalClient> => {
    parts = await startVorpalModule({ VORPAL_URL: stub.url, ...environment }, endpoint);
    return parts.client;
  };

  describe('chat', () => {
    it('asks the model and gives text, usage and reason to stop', async () => {
      const sut = await start();
      await expect(sut.chat({ ...question, temperature: 0.5 })).resolves.toEqual({
        text: 'Hello.',
        model: STUB_MODEL,
        finishReason: 'stop',
        usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
      });
      const [request] = stub.requestsFor(CHAT);
      expect(request?.body).toEqual({
        model: STUB_MODEL,
        messages: question.messages,
        max_tokens: 16,
        temperature: 0.5,
      });
      expect(request?.headers).toMatchObject({ authorization: `Bearer ${TEST_KEY}`, 'accept-encoding': 'identity' });
    });

    it('takes an answer without content or usage for an empty one', async () => {
      const sut = await start();
      stub.next(CHAT, answer({ ...chatCompletion(STUB_MODEL, null), usage: null }));
      await expect(sut.chat(question)).resolves.toMatchObject({ text: '', usage: null });
    });

    it('sends lone surrogates, which no tokenizer can encode, as U+FFFD', async () => {
      const sut = await start();
      await sut.chat({ messages: [{ role: 'user', content: 'a\ud800b' }], maxTokens: 1 });
      await sut.tokenize('\udc00', { addSpecialTokens: false });
      expect(stub.requestsFor(CHAT)[0]?.body.messages[0]?.content).toBe('a\ufffdb');
      expect(stub.requestsFor('/tokenize')[0]?.body.prompt).toBe('\ufffd');
    });

    it('understands an address that ends in /v1 or a slash', async () => {
      const sut = await start({ VORPAL_URL: `${stub.url}/v1/` });
      await expect(sut.chat(question)).resolves.toMatchObject({ text: 'Hello.' });
    });
  });

  describe('model', () => {
    it('is the first that the server lists, looked up once', async () => {
      const sut = await start();
      stub.on('/v1/models', answer(modelList(['first', 'second'], 4_096)));
      await expect(sut.model()).resolves.toEqual({ id: 'first', maxModelLen: 4_096 });
      await sut.chat(question);
      expect(stub.requestsFor('/v1/models')).toHaveLength(1);
      await expect(sut.models()).resolves.toHaveLength(2);
    });

    it('is VORPAL_MODEL if the server lists it', async () => {
      const sut = await start({ VORPAL_MODEL: 'second' });
      stub.on('/v1/models', answer(modelList(['first', 'second'], null)));
      await expect(sut.model()).resolves.toEqual({ id: 'second', maxModelLen: 2_048 });
    });

    it('is an error if the server does not list VORPAL_MODEL, or nothing at all', async () => {
      const sut = await start({ VORPAL_MODEL: 'absent' });
      const error = await failureOf(sut.chat(question));
      expect(error).toBeInstanceOf(VorpalModelNotFoundError);
      expect(error.message).toContain('check VORPAL_MODEL');
      stub.next('/v1/models', answer(modelList([])));
      expect(await failureOf(sut.model())).toBeInstanceOf(VorpalModelNotFoundError);
    });

    it('is looked up again when the server refuses answers of the length that fitted before', async () => {
      const sut = await start();
      await sut.model();
      stub.next(CHAT, answer({ error: { message: 'max_tokens=16 cannot be greater than max_model_len=8' } }, 400));
      expect(await failureOf(sut.chat(question))).toBeInstanceOf(VorpalAnswerLengthError);
      await sut.chat(question);
      expect(stub.requestsFor('/v1/models')).toHaveLength(2);
    });

    it('is looked up again when the server no longer has it', async () => {
      const sut = await start();
      await sut.model();
      stub.model = 'replacement';
      stub.next(
        CHAT,
        answer({ error: { message: 'The model `stub-model` does not exist.', type: 'NotFoundError' } }, 404),
      );
      await expect(sut.chat(question)).resolves.toMatchObject({ model: 'replacement' });
    });

    it('is an error, after one more look, when the server refuses the one it lists', async () => {
      const sut = await start();
      stub.on(
        CHAT,
        answer({ error: { message: 'The model `stub-model` does not exist.', type: 'NotFoundError' } }, 404),
      );
      expect(await failureOf(sut.chat(question))).toBeInstanceOf(VorpalModelNotFoundError);
      expect(stub.requestsFor(CHAT)).toHaveLength(1);
      expect(stub.requestsFor('/v1/models')).toHaveLength(2);
    });

    it('is looked up again, and the circuit closed, when the server moves to another address', async () => {
      const moved = await StubVorpal.start({ model: 'moved' });
      let url = stub.url;
      class MovingEndpoint extends VorpalEndpoint {
        url = (): string => url;
      }
      const sut = await start({ VORPAL_BREAKER_FAILURES: '1', VORPAL_BREAKER_OPEN_MS: '60000' }, new MovingEndpoint());
      stub.next(CHAT, answer('', 503));
      expect(await failureOf(sut.chat(question))).toBeInstanceOf(VorpalUnavailableError);
      url = moved.url;
      await expect(sut.chat(question)).resolves.toMatchObject({ model: 'moved' });
      await moved.stop();
    });

    it('is not asked for while the server has no address', async () => {
      class StartingEndpoint extends VorpalEndpoint {
        url(): string {
          throw new VorpalUnavailableError('The local Vorpal is starting.', { retryAfterSeconds: 2 });
        }
      }
      const sut = await start({}, new StartingEndpoint());
      const error = await failureOf(sut.chat(question));
      expect(error).toMatchObject({ message: 'The local Vorpal is starting.', retryAfterSeconds: 2 });
    });
  });

  describe('error answers', () => {
    const nested = (message: string, type: string, code: number, param: string | null = null) => ({
      error: { message, type, param, code },
    });
    const flat = (message: string, type: string, code: number) => ({
      object: 'error',
      message,
      type,
      param: null,
      code,
    });

    it.each([
      ['a wrong key', 401, { error: 'Unauthorized' }, VorpalAuthenticationError, /VORPAL_API_KEY/],
      ['a forbidden key', 403, '', VorpalAuthenticationError, /VORPAL_API_KEY/],
      [
        'an unknown model, nested',
        404,
        nested('The model `x` does not exist.', 'NotFoundError', 404),
        VorpalModelNotFoundError,
        /`x`/,
      ],
      [
        'an unknown model, flat',
        404,
        flat('The model `x` does not exist.', 'NotFoundError', 404),
        VorpalModelNotFoundError,
        /VORPAL_MODEL/,
      ],
      ['an unknown path', 404, nested('Not Found', 'Not Found', 404), VorpalProtocolError, /VORPAL_URL/],
      ['an unknown path of FastAPI', 404, { detail: 'Not Found' }, VorpalProtocolError, /does not know/],
      ['a wrong method', 405, { detail: 'Method Not Allowed' }, VorpalProtocolError, /does not know/],
      ['a redirect', 307, '', VorpalProtocolError, /final address/],
      [
        'too long, v0.11',
        400,
        nested(
          "This model's maximum context length is 2047 tokens. However, your request has 3000 input tokens. Please reduce the length of the input messages.",
          'BadRequestError',
          400,
        ),
        VorpalContextLengthError,
        /too long/,
      ],
      [
        'too long, v0.17',
        400,
        nested(
          "You passed 3000 input tokens and requested 1 output tokens. However, the model's context length is only 2048 tokens.",
          'BadRequestError',
          400,
        ),
        VorpalContextLengthError,
        /too long/,
      ],
      [
        'too long, v0.24',
        400,
        nested(
          "This model's maximum context length is 2048 tokens. However, you requested 1 output tokens and your prompt contains at least 2049 input tokens.",
          'BadRequestError',
          400,
          'input_tokens',
        ),
        VorpalContextLengthError,
        /too long/,
      ],
      [
        'too long, v0.32',
        400,
        nested(
          "This model's maximum context length is 2048 tokens. However, your prompt contains at least 2049 input tokens, which exceeds this limit even without any output tokens. Please reduce the length of the input prompt. (parameter=input_tokens, value=2049)",
          'BadRequestError',
          400,
          'input_tokens',
        ),
        VorpalContextLengthError,
        /too long/,
      ],
      [
        'too long by its characters',
        400,
        nested('Your prompt contains 90000 characters.', 'BadRequestError', 400, 'input_text'),
        VorpalContextLengthError,
        /too long/,
      ],
      [
        'a prompt that fills the window, v0.32',
        400,
        nested(
          'max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)',
          'BadRequestError',
          400,
          'max_tokens',
        ),
        VorpalContextLengthError,
        /too long/,
      ],
      [
        'too long with the answer, v0.10',
        400,
        flat(
          "'max_tokens' or 'max_completion_tokens' is too large: 512. This model's maximum context length is 2048 tokens and your request has 1600 input tokens (512 > 2048 - 1600).",
          'BadRequestError',
          400,
        ),
        VorpalContextLengthError,
        /too long/,
      ],
      [
        'an answer longer than the window, v0.10',
        400,
        flat(
          "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 2048 tokens and your request has 16 input tokens (4096 > 2048 - 16).",
          'BadRequestError',
          400,
        ),
        VorpalAnswerLengthError,
        /CHAT_MAX_TOKENS/,
      ],
      [
        'an answer longer than the window, v0.24',
        400,
        nested(
          "This model's maximum context length is 2048 tokens. However, you requested 4096 output tokens and your prompt contains 16 input tokens.",
          'BadRequestError',
          400,
          'input_tokens',
        ),
        VorpalAnswerLengthError,
        /CHAT_MAX_TOKENS/,
      ],
      [
        'an answer longer than the window, v0.32',
        400,
        nested(
          'max_tokens=4096 cannot be greater than max_model_len=max_total_tokens=2048. Please request fewer output tokens. (parameter=max_tokens, value=4096)',
          'BadRequestError',
          400,
          'max_tokens',
        ),
        VorpalAnswerLengthError,
        /CHAT_MAX_TOKENS/,
      ],
      [
        'an answer longer than the window, of a server that names no field',
        400,
        nested('max_tokens=4096 cannot be greater than max_model_len=2048.', 'BadRequestError', 400),
        VorpalAnswerLengthError,
        /CHAT_MAX_TOKENS/,
      ],
      [
        'too long, flat, v0.10',
        400,
        flat(
          'The decoder prompt (length 3000) is longer than the maximum model length of 2048.',
          'BadRequestError',
          400,
        ),
        VorpalContextLengthError,
        /too long/,
      ],
      [
        'a refused body',
        400,
        nested('1 validation error', 'Bad Request', 400),
        VorpalRequestError,
        /1 validation error/,
      ],
      ['a refused body, 422', 422, { detail: [] }, VorpalRequestError, /refuses/],
      ['too many requests', 429, nested('slow down', 'RateLimitError', 429), VorpalOverloadedError, /slow down/],
      [
        'a full queue',
        503,
        nested('Too many requests are waiting', 'QueueOverflowError', 503),
        VorpalOverloadedError,
        /no more requests/,
      ],
      ['loading', 503, { status: 'loading', message: 'fetching the model, 41 %' }, VorpalUnavailableError, /41 %/],
      ['a proxy without server', 502, '<html>Bad Gateway</html>', VorpalUnavailableError, /HTTP 502/],
      ['a proxy that waited', 504, '', VorpalUnavailableError, /HTTP 504/],
      ['a dead engine, v0.11', 500, '', VorpalUnavailableError, /dead/],
      [
        'a dead engine, v0.24',
        500,
        nested(
          'EngineCore encountered an issue. See stack trace (above) for the root cause.',
          'InternalServerError',
          500,
        ),
        VorpalUnavailableError,
        /dead/,
      ],
      [
        'a failed generation',
        500,
        nested('list index out of range', 'InternalServerError', 500),
        VorpalFailedError,
        /HTTP 500/,
      ],
      [
        'values that are not finite',
        500,
        nested('Out of range float values are not JSON compliant', 'InternalServerError', 500),
        VorpalProtocolError,
        /not a number/,
      ],
    ])('%s', async (_, status, body, expected, message) => {
      const sut = await start();
      stub.next(CHAT, answer(body, status)).on(CHAT, answer(body, status));
      const error = await failureOf(sut.chat(question));
      expect(error.constructor).toBe(expected);
      expect(error.message).toMatch(message);
    });

    it.each([
      ['/v1/models', (sut: VorpalClient) => sut.models()],
      ['/v1/completions', (sut: VorpalClient) => sut.scorePrompts([[1, 2]], { model: STUB_MODEL })],
      ['/tokenize', (sut: VorpalClient) => sut.tokenize('a', { model: STUB_MODEL, addSpecialTokens: true })],
    ])('say which setting is wrong where the server has no %s', async (path, ask) => {
      const sut = await start();
      stub.next(path, answer({ detail: 'Not Found' }, 404)).next(path, answer({ detail: 'Method Not Allowed' }, 405));
      for (let count = 0; count < 2; count++) {
        const error = await failureOf(ask(sut));
        expect(error).toBeInstanceOf(VorpalProtocolError);
        expect(error.message).toMatch(`does not know ${path}; VORPAL_URL must be`);
      }
    });

    it('keeps a repeated key and long bodies out of the message', async () => {
      const sut = await start();
      stub.next(
        CHAT,
        answer({ error: { message: `bad key ${TEST_KEY} ${'x'.repeat(5_000)}`, type: 'BadRequestError' } }, 400),
      );
      const error = await failureOf(sut.chat(question));
      expect(error.message).toContain('bad key … x');
      expect(error.message.length).toBeLessThan(500);
    });
  });

  describe('broken answers', () => {
    it.each([
      ['truncated JSON', '{"id":"1","choices":[', /not valid JSON/],
      ['no JSON', 'Hello', /not valid JSON/],
      ['nothing', '', /not valid JSON/],
      ['NaN', '{"choices":[{"logprob":NaN}]}', /NaN/],
      ['another shape', '{"object":"list"}', /not what the protocol says/],
      ['no choices', JSON.stringify({ ...chatCompletion('m', 'x'), choices: [] }), /choices/],
    ])('%s', async (_, body, message) => {
      const sut = await start();
      stub.next(CHAT, answer(body));
      const error = await failureOf(sut.chat(question));
      expect(error).toBeInstanceOf(VorpalProtocolError);
      expect(error.message).toMatch(message);
    });

    it('an endless answer', async () => {
      const sut = await start();
      stub.next(CHAT, (_, response) => {
        const more = (): void => {
          while (!response.destroyed && response.write(' '.repeat(1_048_576)));
        };
        response.on('drain', more);
        more();
      });
      const error = await failureOf(sut.chat(question));
      expect(error).toBeInstanceOf(VorpalProtocolError);
      expect(error.message).toContain('too large');
    });

    it('something that is not HTTP', async () => {
      const other = createServer((socket) => socket.end('220 mail.example ESMTP\r\n')).listen(0, '127.0.0.1');
      await new Promise((resolve) => other.once('listening', resolve));
      const sut = await start({ VORPAL_URL: `http://127.0.0.1:${(other.address() as { port: number }).port}` });
      const error = await failureOf(sut.model());
      expect(error).toBeInstanceOf(VorpalProtocolError);
      expect(error.message).toContain('does not speak HTTP');
      other.close();
    });
  });

  describe('connections', () => {
    it('that are refused', async () => {
      const sut = await start();
      await stub.stop();
      const error = await failureOf(sut.chat(question));
      expect(error).toBeInstanceOf(VorpalUnavailableError);
      expect(error).toMatchObject({ httpStatus: 503, transient: true, retryAfterSeconds: 5 });
      expect(error.message).toContain('ECONNREFUSED');
      stub = await StubVorpal.start();
    });

    it('that are reset before the answer', async () => {
      const sut = await start();
      stub.on(CHAT, reset);
      expect(await failureOf(sut.chat(question))).toBeInstanceOf(VorpalUnavailableError);
    });

    it('that are reset in the middle of the answer', async () => {
      const sut = await start();
      stub.on(CHAT, (request, response) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"id":');
        response.socket?.end();
      });
      const error = await failureOf(sut.chat(question));
      expect(error).toBeInstanceOf(VorpalUnavailableError);
      expect(error.message).toContain('broke off');
    });

    it('that stay silent', async () => {
      const sut = await start({ VORPAL_CHAT_TIMEOUT_MS: SHORT_MS });
      stub.on(CHAT, silence);
      const error = await failureOf(sut.chat(question));
      expect(error).toBeInstanceOf(VorpalTimeoutError);
      expect(error).toMatchObject({ httpStatus: 504, transient: true });
      await stub.requestsFor(CHAT)[0]?.abandoned;
    });

    it('that drip bytes without ever completing the answer', async () => {
      const sut = await start({ VORPAL_CHAT_TIMEOUT_MS: SHORT_MS });
      stub.on(CHAT, (_, response) => {
        const drip = setInterval(() => response.write(' '), 20);
        response.on('close', () => {
          clearInterval(drip);
        });
      });
      expect(await failureOf(sut.chat(question))).toBeInstanceOf(VorpalTimeoutError);
    });

    it('are kept and used again', async () => {
      const sut = await start();
      for (let count = 0; count < 8; count++) await sut.chat(question);
      // A connection may be used again one turn of the event loop after its answer, so two take turns; the third is the
      // one of the model look-up.
      expect(stub.connections).toBeLessThanOrEqual(3);
    });

    it('that the server closed while they were idle cost no attempt', async () => {
      const sut = await start();
      await Promise.all([sut.chat(question), sut.tokenize('ab', { addSpecialTokens: false })]);
      await new Promise(setImmediate);
      stub.next(CHAT, reset).next('/tokenize', reset);
      await expect(sut.chat(question)).resolves.toMatchObject({ text: 'Hello.' });
      await new Promise(setImmediate);
      await expect(sut.tokenize('ab', { addSpecialTokens: false })).resolves.toEqual([97, 98]);
      expect([CHAT, '/tokenize'].map((path) => stub.requestsFor(path).length)).toEqual([3, 3]);
    });
  });

  describe('retries', () => {
    it('help over failures that pass', async () => {
      const sut = await start({ VORPAL_RETRIES: '2' });
      stub.next(CHAT, answer('', 503)).next(CHAT, answer('', 500));
      await expect(sut.chat(question)).resolves.toMatchObject({ text: 'Hello.' });
      expect(stub.requestsFor(CHAT)).toHaveLength(3);
    });

    it('end', async () => {
      const sut = await start({ VORPAL_RETRIES: '2' });
      stub.on(CHAT, answer('', 503));
      expect(await failureOf(sut.chat(question))).toBeInstanceOf(VorpalUnavailableError);
      expect(stub.requestsFor(CHAT)).toHaveLength(3);
    });

    it('are not spent on refusals', async () => {
      const sut = await start({ VORPAL_RETRIES: '2' });
      stub.on(CHAT, answer({ error: { message: 'no', type: 'BadRequestError' } }, 400));
      expect(await failureOf(sut.chat(question))).toBeInstanceOf(VorpalRequestError);
      expect(stub.requestsFor(CHAT)).toHaveLength(1);
    });

    it('wait as long as the server asks, if that is short', async () => {
      const sut = await start({ VORPAL_RETRIES: '1' });
      let refusedAt = 0;
      let askedAgainAt = 0;
      stub
        .next(CHAT, (_, response) => {
          refusedAt = performance.now();
          sendJson(response, '', 429, { 'retry-after': '1' });
        })
        .next(CHAT, (_, response) => {
          askedAgainAt = performance.now();
          sendJson(response, chatCompletion(STUB_MODEL, 'Hello.'));
        });
      await sut.chat(question);
      expect(askedAgainAt - refusedAt).toBeGreaterThan(950);
    });

    it('leave a long wait to the caller', async () => {
      const sut = await start({ VORPAL_RETRIES: '2' });
      stub.on(CHAT, answer('', 429, { 'retry-after': '60' }));
      expect(await failureOf(sut.chat(question))).toMatchObject({ code: 'VORPAL_OVERLOADED', retryAfterSeconds: 60 });
      expect(stub.requestsFor(CHAT)).toHaveLength(1);
    });

    it('understand a date in Retry-After', async () => {
      const sut = await start();
      const date = new Date(Date.now() + 30_000).toUTCString();
      stub.on(CHAT, answer('', 503, { 'retry-after': date }));
      const error = (await failureOf(sut.chat(question))) as VorpalUnavailableError;
      expect(error.retryAfterSeconds).toBeGreaterThan(0);
      expect(error.retryAfterSeconds).toBeLessThanOrEqual(30);
    });
  });

  describe('circuit', () => {
    it('opens after failures in a row, spares the server, and says why', async () => {
      const sut = await start({ VORPAL_BREAKER_FAILURES: '3', VORPAL_BREAKER_OPEN_MS: '60000' });
      stub.on(CHAT, answer('', 503));
      for (let count = 0; count < 3; count++) await failureOf(sut.chat(question));
      const error = await failureOf(sut.chat(question));
      expect(error).toMatchObject({ code: 'VORPAL_UNAVAILABLE', retryAfterSeconds: 60 });
      expect(error.message).toMatch(/several times in a row.*HTTP 503/);
      expect(stub.requestsFor(CHAT)).toHaveLength(3);
    });

    it('stops the retries of a call when it opens', async () => {
      const sut = await start({ VORPAL_BREAKER_FAILURES: '2', VORPAL_RETRIES: '10' });
      stub.on(CHAT, reset);
      await failureOf(sut.chat(question));
      expect(stub.requestsFor(CHAT)).toHaveLength(2);
    });

    it('does not open for refusals or overload', async () => {
      const sut = await start({ VORPAL_BREAKER_FAILURES: '1', VORPAL_BREAKER_OPEN_MS: '60000' });
      stub.next(CHAT, answer('', 400)).next(CHAT, answer('', 429)).next(CHAT, answer('no JSON'));
      for (let count = 0; count < 3; count++) await failureOf(sut.chat(question));
      await expect(sut.chat(question)).resolves.toMatchObject({ text: 'Hello.' });
    });

    it('does not open for chats when scoring fails', async () => {
      const sut = await start({ VORPAL_BREAKER_FAILURES: '1', VORPAL_BREAKER_OPEN_MS: '60000' });
      stub.on('/v1/completions', reset);
      for (let count = 0; count < 3; count++) await failureOf(sut.scorePrompts(['ab'], { model: STUB_MODEL }));
      await expect(sut.chat(question)).resolves.toMatchObject({ text: 'Hello.' });
    });

    it('closes once the server answers a small request', async () => {
      const sut = await start({ VORPAL_BREAKER_FAILURES: '1', VORPAL_BREAKER_OPEN_MS: '5000' });
      stub.next(CHAT, answer('', 503));
      await failureOf(sut.chat(question));
      const later = Date.now() + 5_001;
      jest.spyOn(Date, 'now').mockReturnValue(later);
      stub.next('/health', answer({ status: 'loading', message: 'fetching the model' }, 503));
      await failureOf(sut.chat(question));
      expect(stub.requestsFor(CHAT)).toHaveLength(1);
      jest.spyOn(Date, 'now').mockReturnValue(later + 5_001);
      const answers = await Promise.all([sut.chat(question), sut.chat(question), sut.chat(question)]);
      expect(answers).toHaveLength(3);
      expect(stub.requestsFor('/health')).toHaveLength(2);
    });
  });

  describe('abort', () => {
    it('reaches the server and is no failure', async () => {
      const sut = await start({ VORPAL_BREAKER_FAILURES: '1' });
      await sut.model();
      const controller = new AbortController();
      stub.next(CHAT, () => {
        controller.abort(new Error('the client went away'));
      });
      const error = await failureOf(sut.chat({ ...question, signal: controller.signal }));
      expect(isAbortError(error)).toBe(true);
      await stub.requestsFor(CHAT)[0]?.abandoned;
      await expect(sut.chat(question)).resolves.toMatchObject({ text: 'Hello.' });
    });

    it('before the call sends nothing', async () => {
      const sut = await start();
      const error = await failureOf(sut.chat({ ...question, signal: AbortSignal.abort() }));
      expect(isAbortError(error)).toBe(true);
      expect(stub.requests).toHaveLength(0);
    });

    it('ends the pause before a retry', async () => {
      const sut = await start({ VORPAL_RETRIES: '1' });
      const controller = new AbortController();
      stub.next(CHAT, (_, response) => {
        sendJson(response, '', 429, { 'retry-after': '2' });
        response.on('finish', () =>
          setTimeout(() => {
            abortedAt = performance.now();
            controller.abort();
          }, 50),
        );
      });
      let abortedAt = 0;
      expect(isAbortError(await failureOf(sut.chat({ ...question, signal: controller.signal })))).toBe(true);
      // Of the two seconds that it would have waited.
      expect(performance.now() - abortedAt).toBeLessThan(1_500);
      expect(stub.requestsFor(CHAT)).toHaveLength(1);
    });

    it('leaves no listener on a signal that lives long', async () => {
      const sut = await start();
      const { signal } = new AbortController();
      await sut.chat({ ...question, signal });
      await sut.scorePrompts(['ab'], { model: STUB_MODEL, signal });
      for await (const chunk of sut.streamChat({ ...question, signal })) expect(chunk).toBeDefined();
      expect(getEventListeners(signal, 'abort')).toEqual([]);
    });
  });

  describe('scorePrompts', () => {
    const ask = (sut: VorpalClient, signal?: AbortSignal) => sut.scorePrompts([[1, 2]], { model: STUB_MODEL, signal });

    it('has no more requests under way than allowed; the others wait and can be aborted', async () => {
      const sut = await start({ SCORING_CONCURRENCY: '1' });
      const begun = Promise.withResolvers<() => void>();
      stub.next('/v1/completions', (_, response) => {
        begun.resolve(() => {
          sendJson(response, { error: { message: 'done', type: 'BadRequestError' } }, 400);
        });
      });
      const first = failureOf(ask(sut));
      const finish = await begun.promise;
      const controller = new AbortController();
      const second = failureOf(ask(sut, controller.signal));
      const third = ask(sut);
      controller.abort();
      expect(isAbortError(await second)).toBe(true);
      expect(stub.requestsFor('/v1/completions')).toHaveLength(1);
      finish();
      expect(await first).toBeInstanceOf(VorpalRequestError);
      await expect(third).resolves.toHaveLength(1);
      expect(stub.requestsFor('/v1/completions')).toHaveLength(2);
    });

    it('gives each request a time of its own, which the wait for a turn is no part of', async () => {
      const sut = await start({ SCORING_CONCURRENCY: '1', VORPAL_SCORING_TIMEOUT_MS: SHORT_MS });
      stub.next('/v1/completions', silence).next('/v1/completions', silence);
      const outcomes = await Promise.allSettled([ask(sut), ask(sut), ask(sut)]);
      expect(outcomes).toMatchObject([
        { reason: expect.any(VorpalTimeoutError) },
        { reason: expect.any(VorpalTimeoutError) },
        { status: 'fulfilled' },
      ]);
    });

    it('says overloaded at once when too many wait', async () => {
      const sut = await start();
      stub.on('/v1/completions', silence);
      const giveUp = new AbortController();
      const waiting = Array.from({ length: 1_100 }, () =>
        sut.scorePrompts([Array.from({ length: 300 }, () => 1)], {
          model: STUB_MODEL,
          signal: giveUp.signal,
        }),
      );
      const errors = waiting.map(failureOf);
      expect(await errors.at(-1)).toBeInstanceOf(VorpalOverloadedError);
      giveUp.abort();
      expect(isAbortError((await Promise.all(errors))[500])).toBe(true);
    });

    it('takes as many of the first prompts as one request may hold, and returns so many', async () => {
      const sut = await start({ SCORING_MAX_TOKENS_PER_REQUEST: '16' });
      const onSent = jest.fn();
      const results = await sut.scorePrompts([[1, 2, 3, 4], 'abcdefghijkl', [1]], { model: STUB_MODEL, onSent });
      expect(results.map(({ tokens }) => tokens.length)).toEqual([4, 12]);
      expect(onSent.mock.calls).toEqual([[2]]);
      expect(stub.requestsFor('/v1/completions').map(({ body }) => body.prompt)).toEqual([
        [[1, 2, 3, 4], 'abcdefghijkl'],
      ]);
    });

    it('finds chats of others in the metrics, asks for those only to score, and not again at once where there are none', async () => {
      const sut = await start();
      await sut.chat(question);
      expect(stub.requestsFor('/metrics')).toHaveLength(0);
      await parts?.close();
      const other = await start();
      await ask(other);
      await ask(other);
      expect(stub.requestsFor('/metrics')).toHaveLength(1);
    });
  });

  describe('embed', () => {
    it('asks in batches and keeps the order', async () => {
      const sut = await start();
      const texts = Array.from({ length: 130 }, (_, index) => 'x'.repeat(index + 1));
      const { model, vectors } = await sut.embed(texts);
      expect(model).toBe('embedder');
      expect(vectors.map((vector) => vector[0])).toEqual(texts.map((text) => text.length));
      expect(vectors[0]).toEqual(Float32Array.of(1, 1));
      expect(stub.requestsFor('/v1/embeddings').map(({ body }) => body.input.length)).toEqual([64, 64, 2]);
      expect(stub.requestsFor('/v1/embeddings')[0]?.body.model).toBe('all-MiniLM-L6-v2');
    });

    it('tells a model that wants to know what a text is for, in a word before it', async () => {
      const sut = await start({ EMBEDDINGS_MODEL: 'multilingual-e5-small' });
      await sut.embed(['When?'], { role: 'query' });
      await sut.embed(['At noon.']);
      const asked = stub.requestsFor('/v1/embeddings').map(({ body }) => body.input);
      expect(asked).toEqual([['query: When?'], ['passage: At noon.']]);
      stub.model = 'multilingual-e5-small';
      expect(await sut.embeddingWindowTokens()).toBe(2_048 - 'passage: '.length);
    });

    it('asks nothing for nothing', async () => {
      const sut = await start();
      await expect(sut.embed([])).resolves.toEqual({ model: '', vectors: [] });
      expect(stub.requests).toHaveLength(0);
    });

    it('understands numbers, in any order', async () => {
      const sut = await start();
      const { data, ...rest } = embeddings(['a', 'bb', 'ccc'], 'float');
      stub.next('/v1/embeddings', answer({ ...rest, data: data.toReversed() }));
      const { vectors } = await sut.embed(['a', 'bb', 'ccc']);
      expect(vectors).toEqual([Float32Array.of(1, 1), Float32Array.of(2, 1), Float32Array.of(3, 1)]);
    });

    it('uses a server of its own, with its own key, if there is one', async () => {
      const other = await StubVorpal.start();
      const sut = await start({ EMBEDDINGS_URL: `${other.url}/v1`, EMBEDDINGS_MODEL: 'embedder' });
      await expect(sut.embed(['a'])).resolves.toMatchObject({ vectors: [Float32Array.of(1, 1)] });
      expect(stub.requests).toHaveLength(0);
      expect(other.requests.map(({ path, headers }) => [path, headers.authorization])).toEqual([
        ['/v1/embeddings', undefined],
      ]);
      other.next(
        '/v1/embeddings',
        answer({ error: { message: 'The model `embedder` does not exist.', type: 'NotFoundError' } }, 404),
      );
      const error = await failureOf(sut.embed(['a']));
      expect(error.message).toMatch(/embeddings server.*EMBEDDINGS_MODEL/);
      await other.stop();
    });

    const list = (...vectors: (number[] | string)[]) => ({
      object: 'list',
      model: 'm',
      data: vectors.map((embedding, index) => ({ index, object: 'embedding', embedding })),
    });
    it('refuses vectors of two models in one call', async () => {
      const sut = await start();
      stub.next('/v1/embeddings', answer({ ...embeddings(Array.from({ length: 64 }, () => 'a')), model: 'another' }));
      const texts = Array.from({ length: 65 }, () => 'a');
      expect(await failureOf(sut.embed(texts))).toBeInstanceOf(VorpalProtocolError);
    });
    it.each([
      ['too few', list([1, 2])],
      ['one twice', { ...list(), data: [0, 0].map((index) => ({ index, object: 'embedding', embedding: [1] })) }],
      ['different dimensions', list([1, 2], [1])],
      ['an empty one', list([], [])],
      ['half a number', list('AAAA', 'AAAA')],
      ['infinity', list([1], Buffer.from(Float32Array.of(Infinity).buffer).toString('base64'))],
    ])('refuses %s', async (_, body) => {
      const sut = await start();
      stub.next('/v1/embeddings', answer(body));
      expect(await failureOf(sut.embed(['a', 'b']))).toBeInstanceOf(VorpalProtocolError);
    });
  });
});
