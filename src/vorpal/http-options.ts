import type { HttpModuleOptions } from '@nestjs/axios';
import http from 'node:http';
import https from 'node:https';
import type { Settings } from '../config/index.js';

// vLLM closes idle connections after 5 s; a request sent at that moment on a connection kept longer is lost.
const IDLE_CONNECTION_MS = 4_000;

// Each streamed answer holds a connection. Without a bound a burst of chats takes all file descriptors.
const MAX_CONNECTIONS = 256;

// Models, health and embeddings stay far below it; without it a wrong server's endless answer fills the memory.
const MIN_RESPONSE_BYTES = 16 * 1024 * 1024;
// Measured on the protocol's fields: about 160 bytes a token with the `prompt_logprobs` that vLLM adds unasked.
const RESPONSE_BYTES_PER_TOKEN = 1_024;

/** What axios needs so that answers, errors and connections are ours to judge. */
export function vorpalHttpOptions(
  { connectTimeoutMs, scoringMaxTokensPerRequest }: Settings['vorpal'],
  idleConnectionMs = IDLE_CONNECTION_MS,
): HttpModuleOptions {
  const agentOptions = { keepAlive: true, timeout: idleConnectionMs, maxSockets: MAX_CONNECTIONS };
  return {
    httpAgent: withConnectTimeout(new http.Agent(agentOptions), connectTimeoutMs),
    httpsAgent: withConnectTimeout(new https.Agent(agentOptions), connectTimeoutMs),
    // A proxy from the environment would carry the key and every message to a third party.
    proxy: false,
    maxRedirects: 0,
    decompress: false,
    headers: { 'accept-encoding': 'identity' },
    maxContentLength: Math.max(MIN_RESPONSE_BYTES, RESPONSE_BYTES_PER_TOKEN * scoringMaxTokensPerRequest),
    validateStatus: () => true,
    // axios hands out broken JSON as a string without a word; the transport parses and checks by itself.
    transformResponse: (data: unknown) => data,
  };
}

/** Makes `agent` give up a connection that is not made in time: a host that drops packets refuses nothing. */
function withConnectTimeout<A extends http.Agent>(agent: A, timeoutMs: number): A {
  const connect = agent.createConnection.bind(agent);
  agent.createConnection = (options, callback) => {
    const socket = connect(options, callback);
    if (!socket) return socket;
    const timer = setTimeout(() => {
      socket.destroy(Object.assign(new Error(`no connection within ${timeoutMs} ms`), { code: 'ETIMEDOUT' }));
    }, timeoutMs);
    const stop = (): void => {
      clearTimeout(timer);
    };
    socket.once('connect', stop).once('close', stop);
    return socket;
  };
  return agent;
}
