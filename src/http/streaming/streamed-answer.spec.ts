import { jest } from '@jest/globals';
import { Controller, Get, type LoggerService, Module, type StreamableFile } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { until } from '../../../test/support/until.js';
import { createFastifyAdapter, type SendEvents, ServerSentEvents, streamedAnswer } from '../index.js';
import { ProblemFilter } from '../problem/problem.filter.js';
import { httpSettings } from '../http.settings.js';

describe(streamedAnswer.name, () => {
  let ended = 0;
  let app: NestFastifyApplication;
  let url: string;
  const logger = {
    log: jest.fn(),
    warn: jest.fn(),
    error: jest.fn(),
    debug: jest.fn(),
    fatal: jest.fn(),
  } satisfies LoggerService;

  async function* endless(): AsyncGenerator<string, void> {
    try {
      for (;;) {
        await new Promise((resolve) => setTimeout(resolve, 1));
        yield 'x'.repeat(1_000);
      }
    } finally {
      ended += 1;
    }
  }

  async function* events(): AsyncGenerator<object, void> {
    for await (const text of endless()) yield { text };
  }

  async function* failing(): AsyncGenerator<string, void> {
    yield 'first';
    await new Promise((resolve) => setTimeout(resolve, 1));
    throw new Error('the store is gone');
  }

  @Controller()
  class AnswersController {
    @Get('events')
    events(@ServerSentEvents() send: SendEvents): Promise<StreamableFile> {
      return send(events());
    }

    @Get('lines')
    lines(): StreamableFile {
      return streamedAnswer(endless(), 'application/x-ndjson');
    }

    @Get('failing')
    failing(): StreamableFile {
      return streamedAnswer(failing(), 'application/x-ndjson');
    }
  }

  @Module({ controllers: [AnswersController] })
  class AnswersModule {}

  beforeEach(async () => {
    jest.clearAllMocks();
    ended = 0;
    const module = await Test.createTestingModule({ imports: [AnswersModule] }).compile();
    const adapter = createFastifyAdapter(httpSettings({}));
    app = module.createNestApplication<NestFastifyApplication>(adapter, { bodyParser: false, logger });
    app.useGlobalFilters(new ProblemFilter());
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  });

  afterEach(() => app.close());

  const open = async (path: string): Promise<IncomingMessage> => {
    const [response] = (await once(get(url + path), 'response')) as [IncomingMessage];
    response.on('error', () => undefined);
    return response;
  };
  const said = (level: 'warn' | 'error') => logger[level].mock.calls.map(([message]) => String(message));

  it.each(['/events', '/lines'])('takes a client that leaves %s for no error', async (path) => {
    const response = await open(path);
    await once(response, 'data');
    response.destroy();
    await until(() => ended >= 1, 'the end of the source');
    await app.close();
    expect([...said('error'), ...said('warn')]).toEqual([]);
  });

  it('cuts an answer whose source fails, and says why in the log', async () => {
    const response = await open('/failing');
    const closed = new Promise((resolve) => response.once('close', resolve));
    response.resume();
    await closed;
    expect(response.complete).toBe(false);
    expect(said('error')).toEqual(['An answer was cut off: the store is gone']);
  });
});
