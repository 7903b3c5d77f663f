import { Body, Controller, Get, HttpCode, Logger, Module, Post, type StreamableFile } from '@nestjs/common';
import { jest } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { setTimeout as delay } from 'node:timers/promises';
import { RawConnection } from '../../../test/support/raw-http.js';
import { until } from '../../../test/support/until.js';
import { ClientSignal, createFastifyAdapter, NdjsonBody, streamedAnswer } from '../index.js';
import { ProblemFilter } from '../problem/problem.filter.js';
import { httpSettings } from '../http.settings.js';

const TIMEOUT_MS = 1_000;
const STALLED_MS = 1_000;
const DRIP_MS = 50;
const ANSWER_BYTES = 64 * 1_024 * 1_024;
const JSON_POST = 'POST /chat HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n';
const CHAT = `${JSON_POST}content-length: 2\r\n\r\n{}`;
const GET = (path: string) => `GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`;
const IMPORT =
  'POST /memories/import HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n';

describe('limits of connections', () => {
  let app: NestFastifyApplication;
  let url: string;
  let release: () => void;
  let released: Promise<void>;
  let held = 0;
  let aborted = 0;
  let sourcesEnded = 0;
  const connections: RawConnection[] = [];

  async function* endless(): AsyncGenerator<string, void> {
    try {
      for (;;) yield await Promise.resolve('x'.repeat(65_000));
    } finally {
      sourcesEnded += 1;
    }
  }

  @Controller()
  class AnswersController {
    @Post('chat')
    @HttpCode(200)
    chat(@Body() body: object): object {
      return body;
    }

    @Get(['held', 'health/held'])
    async held(@ClientSignal() signal: AbortSignal): Promise<string> {
      held += 1;
      signal.addEventListener('abort', () => (aborted += 1));
      await released;
      return 'held';
    }

    @Get('health/live')
    live(): string {
      return 'alive';
    }

    @Get('large')
    large(): string {
      return 'x'.repeat(ANSWER_BYTES);
    }

    @Get('endless')
    endless(): StreamableFile {
      return streamedAnswer(endless(), 'text/plain');
    }

    @Post('memories/import')
    @HttpCode(200)
    async import(@NdjsonBody() body: AsyncIterable<Uint8Array>): Promise<{ bytes: number }> {
      let bytes = 0;
      for await (const chunk of body) {
        bytes += chunk.length;
        // As slow as the client may not be.
        if (bytes === 1) await delay(2 * TIMEOUT_MS);
      }
      return { bytes };
    }
  }

  @Module({ controllers: [AnswersController] })
  class AnswersModule {}

  async function start(environment: NodeJS.ProcessEnv = {}): Promise<void> {
    const server = httpSettings({ REQUEST_TIMEOUT_MS: String(TIMEOUT_MS), ...environment });
    const module = await Test.createTestingModule({ imports: [AnswersModule] }).compile();
    const adapter = createFastifyAdapter(server, { stalledMs: STALLED_MS });
    app = module.createNestApplication<NestFastifyApplication>(adapter, { bodyParser: false, logger: false });
    app.useGlobalFilters(new ProblemFilter());
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  }

  beforeEach(() => {
    [held, aborted, sourcesEnded] = [0, 0, 0];
    released = new Promise((resolve) => (release = resolve));
    jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
  });

  afterEach(async () => {
    release();
    for (const connection of connections.splice(0)) connection.close();
    await app.close();
    jest.restoreAllMocks();
  });

  const connect = async (): Promise<RawConnection> => {
    const connection = await RawConnection.to(url);
    connections.push(connection);
    return connection;
  };
  const drip = async (connection: RawConnection, text: string): Promise<void> => {
    while (connection.isOpen && connection.received.length === 0) {
      connection.write(text);
      await delay(DRIP_MS);
    }
  };
  const refusal = async (connection: RawConnection) => {
    const { status, headers, body } = await connection.answer();
    await connection.closed();
    return [status, (JSON.parse(body) as { code: string }).code, headers.connection];
  };
  const openConnections = () =>
    new Promise<number>((resolve) => {
      app.getHttpServer().getConnections((_error: unknown, count: number) => {
        resolve(count);
      });
    });

  it.each([
    ['headers that come byte by byte', 'GET /health/live HTTP/1.1\r\nx: ', 'x'],
    ['headers that never end', 'GET /health/live HTTP/1.1\r\n', 'x: y\r\n'],
    ['a body that comes byte by byte', `${JSON_POST}content-length: 100000\r\n\r\n`, ' '],
    ['a body in chunks of a byte', `${JSON_POST}transfer-encoding: chunked\r\n\r\n`, '1\r\n \r\n'],
  ])('answers 408 to %s', async (_, beginning, more) => {
    await start();
    const connection = await connect();
    connection.write(beginning);
    const dripping = drip(connection, more);
    expect(await refusal(connection)).toEqual([408, 'REQUEST_TIMEOUT', 'close']);
    await dripping;
  });

  it('closes a connection that says nothing', async () => {
    await start();
    await (await connect()).closed();
  });

  it('breaks off an import that comes byte by byte', async () => {
    await start();
    const connection = await connect();
    connection.write(IMPORT);
    const dripping = drip(connection, '2\r\n\n\n\r\n');
    expect(await refusal(connection)).toEqual([408, 'REQUEST_TOO_SLOW', 'close']);
    await dripping;
  });

  it('does not count what it takes itself to work on an import', async () => {
    await start();
    const connection = await connect();
    connection.write(`${IMPORT}1\r\n\n\r\n`);
    await delay(TIMEOUT_MS / 4);
    connection.write('2\r\n\n\n\r\n0\r\n\r\n');
    expect(await connection.answer()).toMatchObject({ status: 200, body: '{"bytes":3}' });
  });

  it.each(['/large', '/endless'])('cuts off who reads nothing of %s', async (path) => {
    await start();
    const connection = await connect();
    connection.socket.pause();
    connection.write(GET(path));
    await until(async () => (await openConnections()) === 0, 'the end of the connection', 60_000);
    if (path === '/endless') await until(() => sourcesEnded === 1, 'the end of the source');
  });

  it('waits for an answer that takes longer than all limits', async () => {
    await start();
    const connection = await connect();
    connection.write(GET('/held'));
    await until(() => held === 1, 'the request');
    // The others run out meanwhile.
    await (await connect()).closed();
    release();
    expect(await connection.answer()).toMatchObject({ status: 200, body: 'held' });
  });

  it('closes a kept connection that nobody uses', async () => {
    await start({ KEEP_ALIVE_TIMEOUT_MS: '100' });
    const connection = await connect();
    connection.write(CHAT);
    expect(await connection.answer()).toMatchObject({ status: 200 });
    await connection.closed();
  });

  it('answers chats beside 1,000 idle connections, of which it keeps as many as it may', async () => {
    await start({ REQUEST_TIMEOUT_MS: '60000', MAX_CONNECTIONS: '100' });
    for (let i = 0; i < 1_000; i++) await connect();
    const connection = await connect();
    connection.write(CHAT);
    expect(await connection.answer()).toMatchObject({ status: 200, body: '{}' });
    await until(async () => (await openConnections()) <= 100, 'the bound');
  });

  it('answers 503 where all connections are busy, and probes all the same', async () => {
    await start({ MAX_CONNECTIONS: '2' });
    const busy = [await connect(), await connect()];
    for (const connection of busy) connection.write(GET('/held'));
    await until(() => held === 2, 'the requests');
    const probe = await connect();
    probe.write(GET('/health/live'));
    expect(await probe.answer()).toMatchObject({ status: 200 });
    const late = await connect();
    late.write(CHAT);
    expect(await refusal(late)).toEqual([503, 'SERVER_TOO_MANY_CONNECTIONS', 'close']);
    release();
    for (const connection of busy) expect(await connection.answer()).toMatchObject({ status: 200 });
  });

  it('gives up the request of a client that ended its side', async () => {
    await start();
    const connection = await connect();
    connection.write(GET('/held'));
    await until(() => held === 1, 'the request');
    connection.socket.end();
    await until(() => aborted === 1, 'the end of the work');
    await connection.closed();
  });
});
