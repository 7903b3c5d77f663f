import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, buildConnector, type Dispatcher, errors } from 'undici';
import type { Settings } from '../../config/index.js';
import { VorpalWire, type WireAnswer, WireError, type WireRequest } from './wire.js';

// vLLM closes idle connections after 5 s; a request sent at that moment on a connection kept longer is lost.
const IDLE_CONNECTION_MS = 4_000;

// Without a bound a burst of requests takes all file descriptors.
const MAX_CONNECTIONS = 256;

// Models, health and embeddings stay far below it; without it a wrong server's endless answer fills the memory.
const MIN_RESPONSE_BYTES = 16 * 1024 * 1024;
// Measured on the protocol's fields: about 160 bytes a token with the `prompt_logprobs` that vLLM adds unasked.
const RESPONSE_BYTES_PER_TOKEN = 1_024;

const CONNECTION_ENDED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

export interface UndiciWireOptions {
  readonly idleConnectionMs?: number;
  /** Most connections to one server; further requests wait for one. */
  readonly maxConnections?: number;
  /** Name resolution; not set: the system's. */
  readonly lookup?: LookupFunction;
}

interface Target {
  readonly url: string;
  readonly origin: string;
  readonly path: string;
  /** Where the address holds a name and a password. */
  readonly authorization: string | undefined;
}

/**
 * {@link VorpalWire} on undici, straight: no proxy from the environment, which would see the key and every message; no
 * redirects, no decompression, and no time limits but the caller's `signal` and the one for a connection.
 */
export class UndiciWire extends VorpalWire {
  private readonly agent: Agent;
  private readonly maxTextBytes: number;
  private lastTarget: Target | undefined;

  constructor(
    { connectTimeoutMs, scoringMaxTokensPerRequest }: Settings['vorpal'],
    { idleConnectionMs = IDLE_CONNECTION_MS, maxConnections = MAX_CONNECTIONS, lookup }: UndiciWireOptions = {},
  ) {
    super();
    this.maxTextBytes = Math.max(MIN_RESPONSE_BYTES, RESPONSE_BYTES_PER_TOKEN * scoringMaxTokensPerRequest);
    this.agent = new Agent({
      connect: connectorWithin(connectTimeoutMs, lookup),
      connections: maxConnections,
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

  /** Chats go to one address, one after the other. */
  private targetOf(url: string): Target {
    if (this.lastTarget?.url !== url) this.lastTarget = parseTarget(url);
    return this.lastTarget;
  }

  private async send({ url, headers, body, signal }: WireRequest): Promise<Dispatcher.ResponseData> {
    const { origin, path, authorization } = this.targetOf(url);
    try {
      return await this.agent.request({
        origin,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: {
          'accept-encoding': 'identity',
          ...headers,
          ...(authorization !== undefined && { authorization }),
        },
        body,
        signal,
      });
    } catch (error) {
      throw toWireError(error);
    }
  }
}

function parseTarget(url: string): Target {
  const { origin, pathname, search, username, password } = new URL(url);
  const authorization = username === '' ? undefined : basicAuthorization(username, password);
  return { url, origin, path: pathname + search, authorization };
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

// By events: the iterator of a stream takes several times as long for an answer of one piece.
function readText(body: Readable, maxBytes: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let total = 0;
  body.on('data', (chunk: Buffer) => {
    total += chunk.length;
    chunks.push(chunk);
    if (total > maxBytes) body.destroy(new WireError('too large', 'EMSGSIZE', `more than ${maxBytes} bytes`));
  });
  body.once('end', () => {
    resolve(Buffer.concat(chunks, total).toString('utf8'));
  });
  const fail = (error: unknown): void => {
    const { name, code = name, message } = error as UndiciFailure;
    reject(error instanceof WireError ? error : new WireError('broken off', code, message));
  };
  body.once('error', fail);
  // One that ended between its head and here says nothing any more.
  if (body.destroyed) fail(body.errored ?? new Error('the body was closed'));
  return promise;
}
