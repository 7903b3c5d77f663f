import { jest } from '@jest/globals';
import { Controller, Get, HttpException, type LoggerService, Module, NotFoundException } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { RawConnection } from '../../../test/support/raw-http.js';
import { until } from '../../../test/support/until.js';
import { BrainError } from '../../shared/index.js';
import { createFastifyAdapter, InvalidRequestError } from '../index.js';
import { ProblemFilter } from './problem.filter.js';
import { httpSettings } from '../http.settings.js';

class BusyError extends BrainError {
  readonly code = 'TEST_BUSY';
  readonly httpStatus = 503;
  override readonly retryAfterSeconds = 1.2;
}

describe(ProblemFilter.name, () => {
  const logger = { log: jest.fn(), warn: jest.fn(), error: jest.fn(), debug: jest.fn() } satisfies LoggerService;
  let thrown: () => unknown;
  let asked = 0;
  let app: NestFastifyApplication;
  let url: string;

  @Controller('throws')
  class ThrowingController {
    @Get()
    async throws(): Promise<never> {
      asked += 1;
      throw await thrown();
    }
  }

  @Module({ controllers: [ThrowingController] })
  class ThrowingModule {}

  beforeEach(async () => {
    jest.clearAllMocks();
    asked = 0;
    const module = await Test.createTestingModule({ imports: [ThrowingModule] }).compile();
    const adapter = createFastifyAdapter(httpSettings({}));
    app = module.createNestApplication<NestFastifyApplication>(adapter, { bodyParser: false, logger });
    app.useGlobalFilters(new ProblemFilter());
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  });

  afterEach(() => app.close());

  const ask = async (error: unknown) => {
    thrown = () => error;
    const response = await fetch(`${url}/throws?query=private`);
    return { response, body: (await response.json()) as Record<string, unknown> };
  };
  const said = () => [...logger.warn.mock.calls, ...logger.error.mock.calls].map((call) => call.join(' ')).join('\n');

  it('answers a named error with its status and code, and says when to come back', async () => {
    const { response, body } = await ask(new BusyError('All is busy.'));
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('2');
    expect(response.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(body).toEqual({
      type: 'about:blank',
      title: 'Service Unavailable',
      status: 503,
      code: 'TEST_BUSY',
      detail: 'All is busy.',
    });
    expect(said()).toContain('GET /throws answered 503 TEST_BUSY');
    expect(said()).not.toContain('private');
  });

  it('lists what is wrong with a request, and leaves the log alone', async () => {
    const errors = [{ path: 'message', message: 'must be a string' }];
    const { body } = await ask(new InvalidRequestError(errors));
    expect(body).toMatchObject({ status: 400, code: 'REQUEST_INVALID', detail: 'message: must be a string', errors });
    expect(said()).toBe('');
  });

  it('keeps to itself what nobody foresaw, and puts it into the log', async () => {
    const { body } = await ask(new Error('a secret of the server'));
    expect(body).toMatchObject({ status: 500, code: 'INTERNAL_ERROR' });
    expect(JSON.stringify(body)).not.toContain('secret');
    expect(said()).toContain('a secret of the server');
  });

  it.each([undefined, null, 'text', 42, { message: 'no error' }])('answers %j as a fault too', async (error) => {
    expect((await ask(error)).body).toMatchObject({ status: 500, code: 'INTERNAL_ERROR' });
  });

  it('gives errors of the framework the code of their status', async () => {
    expect((await ask(new NotFoundException('Gone.'))).body).toMatchObject({
      code: 'ROUTE_NOT_FOUND',
      detail: 'Gone.',
    });
    expect((await ask(new HttpException('Tea.', 418))).body).toMatchObject({ status: 418, code: 'HTTP_418' });
  });

  it('passes the report of a health check on as it is', async () => {
    const report = { status: 'error', details: { vorpal: { status: 'down' } } };
    const { response, body } = await ask(new HttpException(report, 503));
    expect([response.status, body]).toEqual([503, report]);
  });

  it('says nothing to, and of, a client that is gone', async () => {
    const gone = Promise.withResolvers<Error>();
    thrown = () => gone.promise;
    const connection = await RawConnection.to(url);
    connection.write('GET /throws HTTP/1.1\r\nhost: localhost\r\n\r\n');
    await until(() => asked === 1, 'the request');
    connection.close();
    await until(async () => (await openConnections()) === 0, 'the end of the connection');
    gone.resolve(new Error('nobody asks any more'));
    await app.close();
    expect(said()).toBe('');
  });

  const openConnections = () =>
    new Promise<number>((resolve) => {
      app.getHttpServer().getConnections((_error: unknown, count: number) => {
        resolve(count);
      });
    });
});
