import { jest } from '@jest/globals';
import Fastify, { type FastifyInstance } from 'fastify';
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { SseReply } from './sse-reply.js';

describe(SseReply.name, () => {
  const describeFailure = jest.fn<(error: unknown) => never>();
  let app: FastifyInstance;

  beforeEach(() => {
    jest.clearAllMocks();
    app = Fastify();
  });

  afterEach(() => app.close());

  it('takes a reader that leaves in the middle for no failure', async () => {
    const answered = Promise.withResolvers<undefined>();
    app.get('/', async (_request, reply) => {
      const gone = new AbortController();
      reply.raw.once('close', () => {
        gone.abort(new Error('gone'));
      });
      const endless = async (sse: SseReply): Promise<void> => {
        for (;;) await sse.send('x'.repeat(100_000));
      };
      await SseReply.answer(reply, { signal: gone.signal, describeFailure }, endless);
      answered.resolve(undefined);
    });
    const [response] = (await once(get(await app.listen({ port: 0, host: '127.0.0.1' })), 'response')) as [
      IncomingMessage,
    ];
    response.on('error', () => undefined);
    await once(response, 'data');
    response.destroy();
    await answered.promise;
    expect(describeFailure).not.toHaveBeenCalled();
  });
});
