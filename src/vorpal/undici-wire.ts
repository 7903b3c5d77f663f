import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, buildConnector, type Dispatcher, errors } from 'undici';
import type { Settings } from '../config/index.js';
import { VorpalWire, type WireAnswer, WireError, type WireRequest } from './wire.js';

// vLLM closes idle connections after 5 s; a request sent at that moment on a connection kept longer is lost.
const IDLE_CONNECTION_MS = 4_000;

// Each streamed answer holds a connection. Without a bound a burst of chats takes all file descriptors.
const MAX_CONNECTIONS = 256;

// Models, health and embeddings stay far below it; without it a wrong server's endless answer fills the memory.
const MIN_RESPONSE_BYTES = 16 * 1024 * 1024;
// Measured on the protocol's fields: about 160 bytes a token with the `prompt_logprobs` that vLLM adds unasked.
const RESPONSE_BYTES_PER_TOKEN = 1_024;

const CONNECTION_ENDED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

export interface UndiciWireOptions {
  readonly idleConnectionMs?: number;
  /** Name resolution; not set: the system's. */
  readonly lookup?: LookupFunction;
}

/**
 * {@link VorpalWire} on undici, straight: no proxy from the environment, which would see the key and every message; no
 * redirects, no decompression, and no time limits but the caller's `signal` and the one for a connection.
 */
export class UndiciWire extends VorpalWire {
  private readonly agent: Agent;
  private readonly maxTextBytes: number;

  constructor(
    { connectTimeoutMs, scoringMaxTokensPerRequest }: Settings['vorpal'],
    { idleConnectionMs = IDLE_CONNECTION_MS, lookup }: UndiciWireOptions = {},
  ) {
    super();
    this.maxTextBytes = Math.max(MIN_RESPONSE_BYTES, RESPONSE_BYTES_PER_TOKEN * scoringMaxTokensPerRequest);
    this.agent = new Agent({
      connect: connectorWithin(connectTimeoutMs, lookup),
      connections: MAX_CONNECTIONS,
      keepAliveTimeout: idleConnectionMs,
      // Servers that announce more are believed no further.
      keepAliveMaxTimeout: idleConnectionMs,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** @throws WireError `too large` beyond what the largest scoring request may be answered with */
  async text(request: WireRequest): Promise<WireAnswer<string>> {
    const { body, ...answer } = await this.stream(request);
    return { ...answer, body: await readText(body, this.maxTextBytes) };
  }

  /** The body as it comes, of any size; destroying it ends the connection, and with it the work on the server. */
  async stream(request: WireRequest): Promise<WireAnswer<Readable>> {
    const { statusCode, headers, body } = await this.send(request);
    const retryAfter = headers['retry-after'];
    return { status: statusCode, body, ...(typeof retryAfter === 'string' && { retryAfter }) };
  }

  private async send({ url, headers, body, signal }: WireRequest): Promise<Dispatcher.ResponseData> {
    const { origin, pathname, search, username, password } = new URL(url);
    try {
      return await this.agent.request({
        origin,
        path: pathname + search,
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          'accept-encoding': 'identity',
          ...headers,
          ...(username !== '' && { authorization: basicAuthorization(username, password) }),
        },
        body,
        signal,
      });
    } catch (error) {
      throw toWireError(error);
    }
  }
}

function basicAuthorization(username: string, password: string): string {
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

/** Notes with each failure of a connection what had come over it, as undici itself does with some of them. */
function connectorWithin(timeoutMs: number, lookup: LookupFunction | undefined): buildConnector.connector {
  const connect = buildConnector({ timeout: timeoutMs, ...(lookup && { lookup }) });
  return (options, callback) => {
    connect(options, (...outcome) => {
      const [, socket] = outcome;
      socket?.once('error', (error) => {
        Object.assign(error, { socket: { bytesRead: socket.bytesRead } });
      });
      callback(...outcome);
    });
  };
}

function toWireError(error: unknown): WireError {
  const { name, code = name, message, socket } = error as UndiciFailure;
  if (error instanceof errors.HTTPParserError) return new WireError('not HTTP', code, message);
  // Something had come over it: answers to requests before this one.
  const isStale = CONNECTION_ENDED.has(code) && (socket?.bytesRead ?? 0) > 0;
  return new WireError(isStale ? 'stale' : 'unreachable', code, message);
}

interface UndiciFailure extends Error {
  readonly code?: string;
  readonly socket?: { readonly bytesRead?: number };
}

async function readText(body: Readable, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let total = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      total += chunk.length;
      if (total > maxBytes) throw new WireError('too large', 'EMSGSIZE', `more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof WireError) throw error;
    const { name, code = name, message } = error as UndiciFailure;
    throw new WireError('broken off', code, message);
  }
  return Buffer.concat(chunks, total).toString('utf8');
}
