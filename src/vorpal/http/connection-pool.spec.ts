import axios from 'axios';
import { once } from 'node:events';
import { inspect } from 'node:util';
import type { ServerResponse } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { until } from '../../../test/support/until.js';
import { sendJson, StubVorpal } from '../../../test/support/stub-vorpal.js';
import { ConnectionPool, type ConnectionPoolOptions, type HttpAnswer, type HttpRequest } from './connection-pool.js';
import { HttpFailure } from './http-failure.js';
import { axiosOptions } from './upstream.js';

const KEY = 'sk-very-secret-0123456789';
const MAX_TEXT_BYTES = 64 * 1024;

interface Sender {
  text(request: HttpRequest): Promise<HttpAnswer<string>>;
}

const directly = (options: Partial<ConnectionPoolOptions> = {}): ConnectionPool =>
  new ConnectionPool({ connectTimeoutMs: 60_000, maxConnections: 256, maxTextBytes: MAX_TEXT_BYTES, ...options });
const overAxios = (options: Partial<ConnectionPoolOptions> = {}): Sender => {
  const names = { name: 'Vorpal', urlSetting: 'VORPAL_URL', keySetting: 'VORPAL_API_KEY' };
  const client = axios.create({ ...axiosOptions(directly(options), names), validateStatus: null });
  return {
    text: async ({ url, headers, body, signal }) => {
      const method = body === undefined ? 'GET' : 'POST';
      const {
        status,
        data,
        headers: sent,
      } = await client.request<string>({ url, method, headers, data: body, signal });
      const retryAfter = sent['retry-after'] as string | undefined;
      return { status, body: data, ...(retryAfter !== undefined && { retryAfter }) };
    },
  };
};

describe.each<[string, (options?: Partial<ConnectionPoolOptions>) => Sender]>([
  ['directly', directly],
  ['by axios', overAxios],
])(`${ConnectionPool.name}, %s`, (_, create) => {
  let stub: StubVorpal;

  beforeEach(async () => {
    stub = await StubVorpal.start();
  });

  afterEach(() => stub.stop());

  const ask = (sut: Sender, path = '/health', signal = new AbortController().signal, body?: string) =>
    sut.text({ url: stub.url + path, headers: { authorization: `Bearer ${KEY}` }, signal, body });

  const asTextError = async (work: Promise<unknown>): Promise<HttpFailure> => {
    try {
      await work;
    } catch (error) {
      expect(error).toBeInstanceOf(HttpFailure);
      expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(KEY);
      return error as HttpFailure;
    }
    throw new Error('it was expected to fail');
  };

  it('gives status, body and Retry-After, and takes no status for a failure', async () => {
    stub.next('/health', (_request, response) => {
      sendJson(response, 'später', 503, { 'retry-after': '7' });
    });
    await expect(ask(create())).resolves.toEqual({ status: 503, body: 'später', retryAfter: '7' });
  });

  it('gets, and posts what it is given a body for, as it is', async () => {
    const sut = create();
    await ask(sut);
    await ask(sut, '/tokenize', undefined, '{ "prompt" : "a\\u00e9" }');
    expect(stub.requests.map(({ method }) => method)).toEqual(['GET', 'POST']);
    expect(stub.requests[1]?.body.prompt).toBe('aé');
    expect(stub.requests[1]?.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'accept-encoding': 'identity' });
  });

  it('gives JSON out as the text it is, broken or not', async () => {
    const text = ' {"id": 1, ';
    stub.next('/health', (_request, response) => {
      sendJson(response, text);
    });
    await expect(ask(create())).resolves.toMatchObject({ body: text });
  });

  it('puts the name and password of an address into the request', async () => {
    const { port } = stub;
    await create().text({
      url: `http://ada:p%40ss@127.0.0.1:${port}/health?deep=1`,
      headers: {},
      signal: new AbortController().signal,
    });
    expect(stub.requests[0]).toMatchObject({
      path: '/health?deep=1',
      headers: { authorization: `Basic ${btoa('ada:p@ss')}` },
    });
  });

  it('closes idle connections before vLLM would', async () => {
    await ask(create({ idleConnectionMs: 50 }));
    const [socket] = stub.sockets;
    if (socket && !socket.closed) await once(socket, 'close');
    expect(stub.sockets.size).toBe(0);
  });

  it('keeps no connection for longer than it was told because the server announces it', async () => {
    stub.next('/health', (_request, response) => {
      response.setHeader('keep-alive', 'timeout=600').end();
    });
    await ask(create({ idleConnectionMs: 50 }));
    await until(() => stub.sockets.size === 0, 'the connection is closed');
  });

  it('does not cut an answer that takes longer than connections may be idle', async () => {
    stub.next('/health', (_request, response) => {
      setTimeout(() => response.end('late'), 250);
    });
    await expect(ask(create({ idleConnectionMs: 50 }))).resolves.toMatchObject({ body: 'late' });
  });

  it('makes no more than 256 connections', async () => {
    const sut = create();
    const held: ServerResponse[] = [];
    stub.on('/health', (_request, response) => void held.push(response));
    const answers = Array.from({ length: 300 }, () => ask(sut));
    await until(() => held.length >= 256, '256 requests arrive');
    stub.on('/health', (_request, response) => void response.end());
    for (const response of held) response.end();
    await Promise.all(answers);
    expect(stub.connections).toBe(256);
  });

  it('gives up a connection that nobody answers', async () => {
    // A name that is never resolved holds the socket in the state that dropped packets do.
    const sut = create({ connectTimeoutMs: 100, lookup: () => undefined });
    const asking = sut.text({ url: 'http://host.invalid/', headers: {}, signal: new AbortController().signal });
    await expect(asTextError(asking)).resolves.toMatchObject({ kind: 'unreachable', code: 'UND_ERR_CONNECT_TIMEOUT' });
  });

  it('follows no redirect', async () => {
    stub.next('/health', (_request, response) => {
      response.writeHead(302, { location: `${stub.url}/elsewhere` }).end();
    });
    await expect(ask(create())).resolves.toMatchObject({ status: 302 });
    expect(stub.requests).toHaveLength(1);
  });

  it('uses no proxy from the environment', async () => {
    const before = { ...process.env };
    Object.assign(process.env, { HTTP_PROXY: 'http://127.0.0.1:9', http_proxy: 'http://127.0.0.1:9' });
    try {
      await expect(ask(create())).resolves.toMatchObject({ status: 200 });
    } finally {
      process.env = before;
    }
  });

  it('decompresses nothing', async () => {
    stub.next('/health', (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('x'.repeat(1_000)));
    });
    const { body } = await ask(create());
    expect(body).not.toContain('xxx');
  });

  it('reads an answer of the largest size, and no larger one', async () => {
    const sut = create();
    const limit = MAX_TEXT_BYTES;
    for (const bytes of [limit, limit + 1]) {
      stub.next('/health', (_request, response) => {
        response.end(Buffer.alloc(bytes, 'x'));
      });
    }
    expect((await ask(sut)).body).toHaveLength(limit);
    expect(await asTextError(ask(sut))).toMatchObject({ kind: 'too large' });
  });

  it('settles whenever it is aborted', async () => {
    const sut = create();
    const answered: boolean[] = [];
    for (let round = 0; round < 150; round++) {
      const abort = new AbortController();
      const asking = ask(sut, '/health', abort.signal).then(
        () => true,
        () => false,
      );
      const abortLater = setTimeout(() => {
        abort.abort();
      }, round % 3);
      for (let turn = 0; turn < round; turn++) await Promise.resolve();
      if (round % 10 === 0) abort.abort();
      if (round % 10 === 5) clearTimeout(abortLater);
      answered.push(await asking);
    }

    expect(new Set(answered)).toEqual(new Set([true, false]));
  });

  it('ends a request that is aborted, before the answer and in the middle of it', async () => {
    const sut = create();
    for (const begun of [false, true]) {
      const controller = new AbortController();
      stub.next('/health', (_request, response) => {
        if (begun) response.write('{');
        setTimeout(() => {
          controller.abort();
        }, 50);
      });
      await expect(ask(sut, '/health', controller.signal)).rejects.toBeDefined();
      await stub.requestsFor('/health').at(-1)?.abandoned;
    }
  });

  it.each([
    ['reset', (socket: Socket | null) => void socket?.resetAndDestroy()],
    ['closed', (socket: Socket | null) => void socket?.end()],
  ])('asks once more where a kept connection is %s instead of an answer', async (_how, finish) => {
    const sut = create();
    await ask(sut);
    await new Promise(setImmediate);
    stub.next('/health', (_request, response) => {
      finish(response.socket);
    });
    await expect(ask(sut)).resolves.toMatchObject({ status: 200 });
    expect(stub.requests).toHaveLength(3);
    expect(stub.connections).toBe(2);
  });

  describe('tells apart', () => {
    it('a server that is not there', async () => {
      const other = await StubVorpal.start();
      const { url } = other;
      await other.stop();
      const asking = create().text({ url, headers: {}, signal: new AbortController().signal });
      expect(await asTextError(asking)).toMatchObject({ kind: 'unreachable', code: 'ECONNREFUSED' });
    });

    it('a connection that ends before its first answer', async () => {
      stub.next('/health', (_request, response) => void response.socket?.resetAndDestroy());
      expect(await asTextError(ask(create()))).toMatchObject({ kind: 'unreachable' });
    });

    it.each([
      ['with a length', { 'content-length': '1000' }],
      ['in chunks', {}],
    ])('an answer that breaks off, %s', async (_how, headers) => {
      stub.next('/health', (_request, response) => {
        response.writeHead(200, headers).write('{"id":');
        setImmediate(() => response.socket?.resetAndDestroy());
      });
      expect(await asTextError(ask(create()))).toMatchObject({ kind: 'broken off' });
    });

    it('what is not HTTP', async () => {
      const other = createServer((socket) => socket.end('220 mail.example ESMTP\r\n')).listen(0, '127.0.0.1');
      await once(other, 'listening');
      const url = `http://127.0.0.1:${(other.address() as { port: number }).port}/`;
      const asking = create().text({ url, headers: {}, signal: new AbortController().signal });
      expect(await asTextError(asking)).toMatchObject({ kind: 'not HTTP' });
      other.close();
    });
  });
});
