// The smallest chat server in front of a Vorpal (`VORPAL_URL`): Fastify, an undici pool, and nothing else.
import Fastify from 'fastify';
import { Pool } from 'undici';
import type { ChatCompletionResponse } from '@archive-brain/vllm-protocol';
import { announceAddress } from './child-program.js';

interface ProxiedChat {
  readonly message: string;
  readonly stream?: boolean;
}

const PATH = '/v1/chat/completions';
const JSON_HEADERS = { 'content-type': 'application/json' };

const pool = new Pool(process.env.VORPAL_URL ?? 'http://127.0.0.1:8000', { connections: 256 });
const fastify = Fastify({ forceCloseConnections: true });

fastify.post<{ Body: ProxiedChat }>('/chat', async ({ body: { message, stream } }, reply) => {
  const body = JSON.stringify({ model: 'stub', messages: [{ role: 'user', content: message }], stream });
  const answer = await pool.request({ path: PATH, method: 'POST', headers: JSON_HEADERS, body });
  if (stream) return reply.type('text/event-stream').send(answer.body);
  const { model, choices } = (await answer.body.json()) as ChatCompletionResponse;
  return { response: choices[0]?.message.content, model };
});

process.once('SIGTERM', () => {
  void Promise.all([fastify.close(), pool.destroy()]);
});
announceAddress(await fastify.listen({ port: 0, host: '127.0.0.1' }));
