import { jest } from '@jest/globals';
import axios from 'axios';
import type { ServerResponse } from 'node:http';
import { z } from 'zod';
import { vorpalSettings } from '../vorpal.settings.js';
import { isAbortError } from '../../shared/index.js';
import { sendEvents, sendJson, sse, type StubHandler, StubVorpal } from '../../../test/support/stub-vorpal.js';
import { failureOf, TEST_KEY } from '../../../test/support/vorpal-module.js';
import {
  VorpalAuthenticationError,
  VorpalFailedError,
  VorpalOverloadedError,
  VorpalProtocolError,
  VorpalRequestError,
  VorpalTimeoutError,
  VorpalUnavailableError,
} from '../vorpal.errors.js';
import { ChatHttp } from './chat-http.js';
import { axiosOptions, DirectUpstream, overAxios, type SendRequest } from './upstream.js';
import { type VorpalCall, VorpalHttp } from './vorpal-http.js';
import { createPool } from './vorpal-http.module.js';
import type { VorpalServer } from './vorpal-server.js';

const PATH = '/v1/completions';
const schema = z.object({ value: z.number() });
// Far above what a local answer takes, far below the test's own limit.
const SHORT_MS = 300;
const LONG_MS = 60_000;

const silence: StubHandler = () => undefined;
const reset: StubHandler = (_, response) => void response.socket?.resetAndDestroy();
const answer =
  (payload: unknown, status = 200, headers = {}): StubHandler =>
  (_, response) => {
    sendJson(response, payload, status, headers);
  };
/** As nginx and HAProxy answer for what is not there. */
const page =
  (status = 503): StubHandler =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'text/html' }).end('<html><h1>Service Unavailable</h1></html>');
  };

describe(VorpalHttp.name, () => {
  let stub: StubVorpal;

  beforeEach(async () => {
    stub = await StubVorpal.start();
    stub.on(PATH, answer({ value: 1 }));
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await stub.stop();
  });

  const partsOf = (environment: NodeJS.ProcessEnv, url: string) => {
    const vorpal = vorpalSettings({
      VORPAL_RETRIES: '0',
      VORPAL_CONNECT_TIMEOUT_MS: String(LONG_MS),
      ...environment,
    });
    const names = { name: 'Vorpal', urlSetting: 'VORPAL_URL', keySetting: 'VORPAL_API_KEY', apiKey: TEST_KEY };
    const server: VorpalServer = { ...names, url: () => url };
    const send = (): SendRequest => overAxios(axios.create(axiosOptions(createPool(vorpal, 8), server)), server);
    return { vorpal, server, send };
  };
  const start = (environment: NodeJS.ProcessEnv = {}, url = stub.url): VorpalHttp => {
    const { vorpal, server, send } = partsOf(environment, url);
    return new VorpalHttp(server, { main: send(), control: send() }, vorpal);
  };
  const startChats = (environment: NodeJS.ProcessEnv = {}, url = stub.url): ChatHttp => {
    const { vorpal, server, send } = partsOf(environment, url);
    return new ChatHttp(server, new DirectUpstream(createPool(vorpal, 8), server), send(), vorpal);
  };
  const call = (more: Partial<VorpalCall> = {}): VorpalCall => ({
    path: PATH,
    body: { prompt: 'Hi' },
    timeoutMs: LONG_MS,
    ...more,
  });
  const ask = (sut: VorpalHttp, more: Partial<VorpalCall> = {}) => sut.fetchJson(call(more), schema);

  describe.each([
    ['over axios', start],
    ['past axios', startChats],
  ])('one answer, %s,', (_way, start) => {
    it('is asked for with the key, as JSON, and checked', async () => {
      await expect(ask(start())).resolves.toEqual({ value: 1 });
      expect(stub.requests[0]).toMatchObject({
        method: 'POST',
        path: PATH,
        body: { prompt: 'Hi' },
        headers: { authorization: `Bearer ${TEST_KEY}`, 'content-type': 'application/json' },
      });
    });

    it('is got without a body', async () => {
      await ask(start(), { body: undefined });
      expect(stub.requests[0]?.method).toBe('GET');
    });

    it.each([
      ['not what was asked for', answer({ value: 'one' }), VorpalProtocolError],
      ['not JSON', answer('{"value": '), VorpalProtocolError],
      ['NaN', answer('{"value": NaN}'), VorpalProtocolError],
      ['a wrong key', answer({ error: `Unauthorized ${TEST_KEY}` }, 401), VorpalAuthenticationError],
      ['a refusal', answer({ error: { message: `no ${TEST_KEY}` } }, 400), VorpalRequestError],
      ['a failure', answer({ error: { message: 'index out of range' } }, 500), VorpalFailedError],
      ['a full queue', answer('', 429), VorpalOverloadedError],
      ['a page of a proxy', page(), VorpalUnavailableError],
      ['a reset', reset, VorpalUnavailableError],
    ])('that is %s is a named error without the key', async (_, handler, expected) => {
      stub.on(PATH, handler);
      expect((await failureOf(ask(start()))).constructor).toBe(expected);
    });

    it('is waited for until the time is over, attempts and pauses included', async () => {
      stub.on(PATH, silence);
      const sut = start({ VORPAL_RETRIES: '10' });
      expect(await failureOf(ask(sut, { timeoutMs: SHORT_MS }))).toBeInstanceOf(VorpalTimeoutError);
      expect(stub.requestsFor(PATH)).toHaveLength(1);
      await stub.requestsFor(PATH)[0]?.abandoned;
    });

    it('is given up with its caller', async () => {
      const caller = new AbortController();
      stub.on(PATH, () => {
        caller.abort();
      });
      expect(isAbortError(await failureOf(ask(start(), { signal: caller.signal })))).toBe(true);
      await stub.requestsFor(PATH)[0]?.abandoned;
    });
  });

  describe('tries again', () => {
    it.each([
      ['an outage', page()],
      ['overload', answer('', 429)],
      ['a failure', answer({ error: { message: 'boom' } }, 500)],
      ['a reset', reset],
    ])('after %s', async (_, handler) => {
      stub.next(PATH, handler);
      await expect(ask(start({ VORPAL_RETRIES: '1' }))).resolves.toEqual({ value: 1 });
      expect(stub.requestsFor(PATH)).toHaveLength(2);
    });

    it('as often as it may', async () => {
      stub.on(PATH, page());
      await failureOf(ask(start({ VORPAL_RETRIES: '2' })));
      expect(stub.requestsFor(PATH)).toHaveLength(3);
    });

    it('not what would be answered the same', async () => {
      stub.on(PATH, answer({ error: { message: 'no' } }, 400));
      await failureOf(ask(start({ VORPAL_RETRIES: '2' })));
      expect(stub.requestsFor(PATH)).toHaveLength(1);
    });

    it('not once the circuit is open', async () => {
      stub.on(PATH, page());
      await failureOf(ask(start({ VORPAL_RETRIES: '10', VORPAL_BREAKER_FAILURES: '2' })));
      expect(stub.requestsFor(PATH)).toHaveLength(2);
    });
  });

  it('counts a garbled answer neither as a failure of the server nor as the end of its failures', async () => {
    const sut = start({ VORPAL_BREAKER_FAILURES: '2' });
    for (const handler of [page(), answer({ value: 'none' }), page()]) {
      stub.on(PATH, handler);
      await failureOf(ask(sut));
    }
    await failureOf(ask(sut));
    expect(stub.requestsFor(PATH)).toHaveLength(3);
  });

  it.each([
    ['16 MiB', '4096', 16 * 1024 * 1024],
    ['1 KiB for each token that is scored at once', '20480', 20_480 * 1_024],
  ])('reads an answer of %s, and no larger one', async (_size, SCORING_MAX_TOKENS_PER_REQUEST, limit) => {
    const sut = start({ SCORING_MAX_TOKENS_PER_REQUEST });
    const head = '{"value": 1, "rest": "';
    const sized = (bytes: number): StubHandler => {
      return (_, response) => void response.end(`${head}${'x'.repeat(bytes - head.length - 2)}"}`);
    };
    stub.on(PATH, sized(limit));
    await expect(ask(sut)).resolves.toEqual({ value: 1 });
    stub.on(PATH, sized(limit + 1));
    await expect(failureOf(ask(sut))).resolves.toMatchObject({ message: expect.stringMatching(/large/) as unknown });
  });

  describe('a stream', () => {
    const read = async (sut: ChatHttp, more: Partial<VorpalCall> = {}): Promise<unknown[]> => {
      const values: unknown[] = [];
      for await (const value of sut.streamJson(call(more), schema)) values.push(value);
      return values;
    };

    it('gives each event, checked', async () => {
      stub.next(PATH, (_, response) => {
        sendEvents(response, [{ value: 1 }, { value: 2 }, '[DONE]']);
      });
      await expect(read(startChats())).resolves.toEqual([{ value: 1 }, { value: 2 }]);
      stub.next(PATH, (_, response) => {
        sendEvents(response, [{ value: 'one' }, '[DONE]']);
      });
      expect(await failureOf(read(startChats()))).toBeInstanceOf(VorpalProtocolError);
    });

    it('is tried again before its first byte, and not after', async () => {
      const begin = (response: ServerResponse): void => {
        response.writeHead(200).write(sse({ value: 1 }), () => response.socket?.resetAndDestroy());
      };
      stub.next(PATH, page()).on(PATH, (_, response) => {
        begin(response);
      });
      expect(await failureOf(read(startChats({ VORPAL_RETRIES: '3' })))).toBeInstanceOf(VorpalUnavailableError);
      expect(stub.requestsFor(PATH)).toHaveLength(2);
    });

    it('that is refused has the reason of the refusal', async () => {
      stub.next(PATH, answer({ error: { message: 'no such thing' } }, 400));
      const error = await failureOf(read(startChats()));
      expect(error).toBeInstanceOf(VorpalRequestError);
      expect(error.message).toContain('no such thing');
    });
  });

  describe('overload', () => {
    it('of a server that lets calls time out and answers its probe leaves the circuit closed', async () => {
      const sut = start({ VORPAL_BREAKER_FAILURES: '2', VORPAL_BREAKER_OPEN_MS: '60000' });
      stub.on(PATH, silence);
      const errors = await Promise.all(Array.from({ length: 5 }, () => failureOf(ask(sut, { timeoutMs: SHORT_MS }))));
      for (const error of errors) expect(error).toBeInstanceOf(VorpalTimeoutError);
      stub.on(PATH, answer({ value: 2 }));
      await expect(ask(sut)).resolves.toEqual({ value: 2 });
    });

    it('is not what a server suffers from that answers nothing at all', async () => {
      const sut = start({ VORPAL_BREAKER_FAILURES: '2', VORPAL_CONNECT_TIMEOUT_MS: String(SHORT_MS) });
      stub.on(PATH, silence).on('/health', silence);
      for (let count = 0; count < 2; count++) await failureOf(ask(sut, { timeoutMs: SHORT_MS }));
      const error = await failureOf(ask(sut));
      expect(error).toBeInstanceOf(VorpalUnavailableError);
      expect(error.message).toContain('several times in a row');
    });

    it.each([
      ['429', answer('', 429)],
      ['a full queue', answer({ error: { message: 'queue is full', type: 'QueueOverflowError' } }, 503)],
    ])('told by %s leaves the circuit closed', async (_, handler) => {
      const sut = start({ VORPAL_BREAKER_FAILURES: '1', VORPAL_BREAKER_OPEN_MS: '60000' });
      stub.next(PATH, handler);
      expect(await failureOf(ask(sut))).toBeInstanceOf(VorpalOverloadedError);
      await expect(ask(sut)).resolves.toEqual({ value: 1 });
    });
  });

  describe('behind a proxy that answers 503 by itself', () => {
    const OPEN_MS = 5_000;
    const breaker = { VORPAL_BREAKER_FAILURES: '1', VORPAL_BREAKER_OPEN_MS: String(OPEN_MS) };
    const afterThePause = (): void => {
      const later = Date.now() + OPEN_MS;
      jest.spyOn(Date, 'now').mockReturnValue(later);
    };

    it.each([
      ['a page of HTML', page()],
      ['nothing', answer('', 503)],
      ['nothing but Retry-After', answer('', 503, { 'retry-after': '120' })],
      ['502', page(502)],
    ])('(%s) for all that is not /v1, the circuit closes once the server is well', async (_, handler) => {
      const sut = start(breaker);
      stub.on('/health', handler).next(PATH, handler);
      await failureOf(ask(sut));
      afterThePause();
      await expect(ask(sut)).resolves.toEqual({ value: 1 });
      await expect(sut.checkAlive()).resolves.toBeUndefined();
    });

    it('for everything, the circuit stays open as long as it does', async () => {
      const sut = start(breaker);
      for (const path of ['/health', '/v1/models', PATH]) stub.on(path, page());
      await failureOf(ask(sut));
      afterThePause();
      expect(await failureOf(ask(sut))).toBeInstanceOf(VorpalUnavailableError);
      expect(stub.requestsFor(PATH)).toHaveLength(1);
    });
  });

  describe('checkAlive', () => {
    it.each([404, 401, 405, 429])('takes a server for alive that answers its probe with %i', async (status) => {
      stub.on('/health', answer({ detail: 'No' }, status));
      await expect(start().checkAlive()).resolves.toBeUndefined();
    });

    it('believes a server that says it is loading', async () => {
      stub.on('/health', answer({ status: 'loading', message: 'fetching the model, 41 %' }, 503));
      expect((await failureOf(start().checkAlive())).message).toContain('41 %');
      expect(stub.requests).toHaveLength(1);
    });

    it('fails where nobody listens or nobody answers', async () => {
      stub.on('/health', silence);
      const sut = start({ VORPAL_CONNECT_TIMEOUT_MS: String(SHORT_MS) });
      expect(await failureOf(sut.checkAlive())).toBeInstanceOf(VorpalTimeoutError);
      const { url } = stub;
      await stub.stop();
      expect(await failureOf(start({}, url).checkAlive())).toBeInstanceOf(VorpalUnavailableError);
      stub = await StubVorpal.start();
    });

    it('says what calls meet while the circuit is open, without asking', async () => {
      const sut = start({ VORPAL_BREAKER_FAILURES: '1', VORPAL_BREAKER_OPEN_MS: '60000' });
      stub.next(PATH, page());
      await failureOf(ask(sut));
      expect((await failureOf(sut.checkAlive())).message).toContain('several times in a row');
      expect(sut.healthyForMs).toBe(0);
      expect(stub.requestsFor('/health')).toHaveLength(0);
    });
  });
});
