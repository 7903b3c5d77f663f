import { Controller, Get, Module, type StreamableFile } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { chatEvents, collect } from '../../../test/support/chat-events.js';
import { until } from '../../../test/support/until.js';
import { createFastifyAdapter, type SendEvents, ServerSentEvents, TextTooLongError } from '../index.js';
import { ProblemFilter } from '../problem/problem.filter.js';
import { httpSettings } from '../http.settings.js';

// A busy machine may stand still for a second, and must not be taken for a client that does.
const STALLED_MS = 2_000;

describe('server-sent events', () => {
  let ended = 0;
  let given = 0;

  async function* endless(): AsyncGenerator<object, void> {
    try {
      for (;;) {
        given += 1;
        yield { type: 'delta', text: 'x'.repeat(65_000) };
      }
    } finally {
      ended += 1;
    }
  }

  async function* failing(after: number, error: Error): AsyncGenerator<object, void> {
    for (let i = 0; i < after; i++) yield { i };
    throw error;
  }

  @Controller()
  class EventsController {
    @Get('stalled')
    stalled(@ServerSentEvents() send: SendEvents): Promise<StreamableFile> {
      return send(endless());
    }

    @Get('endless')
    endless(@ServerSentEvents() send: SendEvents): Promise<StreamableFile> {
      return send(endless());
    }

    @Get('refused')
    refused(@ServerSentEvents() send: SendEvents): Promise<StreamableFile> {
      return send(failing(0, new TextTooLongError('message', 2, 1)));
    }

    @Get('broken')
    broken(@ServerSentEvents() send: SendEvents): Promise<StreamableFile> {
      return send(failing(2, new Error('a secret of the server')));
    }
  }

  @Module({ controllers: [EventsController] })
  class EventsModule {}

  let app: NestFastifyApplication;
  let url: string;

  beforeEach(async () => {
    ended = 0;
    given = 0;
    const module = await Test.createTestingModule({ imports: [EventsModule] }).compile();
    app = module.createNestApplication<NestFastifyApplication>(
      createFastifyAdapter(httpSettings({}), { stalledMs: STALLED_MS }),
      {
        bodyParser: false,
        logger: false,
      },
    );
    app.useGlobalFilters(new ProblemFilter());
    await app.listen(0, '127.0.0.1');
    url = await app.getUrl();
  });

  afterEach(() => app.close());

  it('answer a failure before the first of them with its status', async () => {
    const response = await fetch(`${url}/refused`);
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ code: 'REQUEST_TEXT_TOO_LONG' });
  });

  it('end with the problem of a later failure, which tells no more than any other', async () => {
    const response = await fetch(`${url}/broken`);
    expect(response.status).toBe(200);
    expect(await collect(chatEvents(response))).toEqual([
      { i: 0 },
      { i: 1 },
      {
        type: 'error',
        title: 'Internal Server Error',
        status: 500,
        code: 'INTERNAL_ERROR',
        detail: 'The request failed unexpectedly; the server log says more.',
      },
    ]);
  });

  it('are made only as fast as the client takes them, and end with the client', async () => {
    const [response] = (await once(get(`${url}/endless`), 'response')) as [IncomingMessage];
    let before = -1;
    while (before !== given) {
      before = given;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    // The kernel's buffers take some MB.
    expect(given).toBeLessThan(1_000);
    expect(ended).toBe(0);
    response.destroy();
    await until(() => ended >= 1, 'the events are ended');
  });

  it('are cut where the client takes nothing for too long, and not before', async () => {
    const client = get(`${url}/stalled`).on('error', () => undefined);
    const [response] = (await once(client, 'response')) as [IncomingMessage];
    const cut = new Promise((resolve) => response.on('error', () => undefined).once('close', resolve));
    const reading = setInterval(() => void response.read(), 20);
    await new Promise((resolve) => setTimeout(resolve, 2 * STALLED_MS));
    clearInterval(reading);
    expect(ended).toBe(0);
    await until(() => ended >= 1, 'the events are ended');
    response.resume();
    await cut;
    expect(response.complete).toBe(false);
  });
});
