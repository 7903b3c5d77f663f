import { jest } from '@jest/globals';
import { Controller, Get, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../../test/support/until.js';
import { ConfigModule } from '../config/index.js';
import { readSettings } from '../settings.js';
import { httpSettings } from './http.settings.js';
import { LifecycleModule, ShutdownDeadline } from '../infra/lifecycle/index.js';
import { DrainService } from './drain.service.js';
import { createFastifyAdapter } from './fastify-adapter.js';

const SLOW_MS = 200;
const GET_SLOW = 'GET /slow HTTP/1.1\r\nhost: localhost\r\n\r\n';
const GET_HELD = 'GET /held HTTP/1.1\r\nhost: localhost\r\n\r\n';
const GET_QUICK = 'GET /quick HTTP/1.1\r\nhost: localhost\r\n\r\n';

/** Of `/held`: when the test lets it be given. */
let release: () => void;
let released: Promise<void>;

@Controller()
class Answers {
  @Get('held')
  async held(): Promise<string> {
    await released;
    return 'held';
  }

  @Get('slow')
  async slow(): Promise<string> {
    await pause(SLOW_MS);
    return 'slow';
  }

  @Get('quick')
  quick(): string {
    return 'quick';
  }
}

@Module({})
class Server {}

/** A connection with all that came over it. */
class Connection {
  received = '';
  isOpen = true;

  private constructor(readonly socket: Socket) {
    socket.setEncoding('utf8');
    socket.on('data', (data) => (this.received += String(data)));
    socket.on('error', () => undefined);
    socket.on('close', () => (this.isOpen = false));
  }

  static async to(port: number): Promise<Connection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new Connection(socket);
  }

  async ask(request: string): Promise<string> {
    this.received = '';
    this.socket.write(request);
    await until(() => /\r\n\r\n.+/s.test(this.received) || !this.isOpen, 'an answer');
    return this.received;
  }
}

describe(DrainService.name, () => {
  let app: NestFastifyApplication;
  let sut: DrainService;
  let port: number;
  let closing: Promise<void> | undefined;

  async function start(environment: NodeJS.ProcessEnv = {}): Promise<void> {
    const imports = [
      ConfigModule.forRoot(readSettings({ SHUTDOWN_GRACE_MS: '60000', ...environment })),
      LifecycleModule,
    ];
    const module = { module: Server, imports, controllers: [Answers], providers: [DrainService] };
    app = await NestFactory.create<NestFastifyApplication>(module, createFastifyAdapter(httpSettings({})), {
      logger: false,
      bodyParser: false,
    });
    await app.listen(0, '127.0.0.1');
    sut = app.get(DrainService);
    port = (app.getHttpServer().address() as AddressInfo).port;
  }

  beforeEach(() => {
    jest.spyOn(Logger.prototype, 'warn').mockImplementation(() => undefined);
    closing = undefined;
    released = new Promise((resolve) => (release = resolve));
  });

  afterEach(async () => {
    release();
    await (closing ?? app.close());
    jest.restoreAllMocks();
  });

  const close = async (): Promise<void> => {
    closing = app.close();
    await until(() => sut.draining, 'the shutdown');
  };

  it('lets a request in flight finish, and tells its client that the connection closes', async () => {
    await start();
    const client = await Connection.to(port);
    const answer = client.ask(GET_HELD);
    await until(() => sut.activeRequests === 1, 'the request');
    await close();
    release();

    expect(await answer).toMatch(/^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n.*held$/is);
    await until(() => !client.isOpen, 'the end of the connection');
  });

  it('answers what comes over a kept connection when the shutdown has begun', async () => {
    await start();
    const client = await Connection.to(port);
    expect(await client.ask(GET_QUICK)).toMatch(/connection: keep-alive/i);
    const other = (await Connection.to(port)).ask(GET_HELD);
    await until(() => sut.activeRequests === 1, 'the request of another');
    await close();

    expect(await client.ask(GET_QUICK)).toMatch(/^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n/is);
    release();
    expect(await other).toMatch(/held$/);
  });

  it('answers the first request of a connection that was made before it stopped listening', async () => {
    await start();
    const client = await Connection.to(port);
    const server = app.getHttpServer();
    const stopListening = server.close.bind(server);
    const answer = new Promise<string>((resolve) => {
      jest.spyOn(server, 'close').mockImplementationOnce((...args) => {
        const closed = stopListening(...args);
        // At this moment: it stays open for half a second, which a busy machine may need to look again.
        resolve(client.ask(GET_QUICK));
        return closed;
      });
    });
    await close();

    expect(await answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    await expect(Connection.to(port)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  it('does not wait long for clients who ask nothing', async () => {
    await start();
    const kept = await Connection.to(port);
    await kept.ask(GET_QUICK);
    const fresh = await Connection.to(port);
    const startedAt = performance.now();
    await close();
    await closing;

    // Of the minute that it would have.
    expect(performance.now() - startedAt).toBeLessThan(30_000);
    await until(() => !kept.isOpen && !fresh.isOpen, 'the end of both connections');
  });

  it('cuts nobody off however many keep coming', async () => {
    await start();
    // It listens for a second, which is half of what is left, and has a minute for the answers.
    const left = [2_000, 2_000];
    jest.spyOn(app.get(ShutdownDeadline), 'remainingMs').mockImplementation(() => left.shift() ?? 60_000);
    const answers: Promise<string>[] = [];
    const keepComing = async (): Promise<void> => {
      for (;;) {
        answers.push((await Connection.to(port)).ask(GET_SLOW));
        await pause(SLOW_MS / 4);
      }
    };
    const refusal = expect(keepComing()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await until(() => sut.activeRequests > 2, 'the load');
    await close();
    await closing;

    await refusal;
    const all = await Promise.all(answers);
    expect(all.filter((answer) => !answer.startsWith('HTTP/1.1 200 OK'))).toEqual([]);
  });

  it('cuts what is not done when the grace period is over', async () => {
    await start({ SHUTDOWN_GRACE_MS: '150' });
    const client = await Connection.to(port);
    const answer = client.ask(GET_HELD);
    await until(() => sut.activeRequests === 1, 'the request');
    await close();

    expect(await answer).toBe('');
    await closing;
  });
});
