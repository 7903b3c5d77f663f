import type { AxiosAdapter } from 'axios';
import type { LookupFunction } from 'node:net';
import type { Readable } from 'node:stream';
import { Agent, buildConnector, type Dispatcher, errors } from 'undici';
import { HttpFailure } from './http-failure.js';

// vLLM closes idle connections after 5 s; a request sent at that moment on a connection kept longer is lost.
const IDLE_CONNECTION_MS = 4_000;

const CONNECTION_ENDED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

export interface ConnectionPoolOptions {
  readonly connectTimeoutMs: number;
  /** Most connections to one server; further requests wait for one. */
  readonly maxConnections: number;
  /** Longest answer that is read as a text. */
  readonly maxTextBytes: number;
  readonly idleConnectionMs?: number;
  /** Name resolution; not set: the system's. */
  readonly lookup?: LookupFunction;
}

export interface HttpRequest {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Sent by POST; without it the request is a GET. */
  readonly body?: string;
  readonly signal: AbortSignal;
}

export interface HttpAnswer<Body> {
  readonly status: number;
  /** The header of that name. */
  readonly retryAfter?: string;
  readonly body: Body;
}

interface Target {
  readonly url: string;
  readonly origin: string;
  readonly path: string;
  /** Set if the address has a name and a password. */
  readonly authorization: string | undefined;
}

/**
 * Connections that no other pool's requests take. Requests get an answer of whatever status: no proxy from the
 * environment, which would see the key and every message; no redirects, no decompression, and no time limits but the
 * caller's `signal` and the one for a connection. One that went out on a kept connection which ended meanwhile is sent
 * once more.
 */
export class ConnectionPool {
  private readonly agent: Agent;
  private lastTarget: Target | undefined;

  constructor(private readonly options: ConnectionPoolOptions) {
    const { connectTimeoutMs, maxConnections, idleConnectionMs = IDLE_CONNECTION_MS, lookup } = options;
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

  /**
   * Makes axios send through this pool. By axios' own adapter, a small request takes three to four times the processor
   * time. The text is given out as it is, and of whatever status.
   */
  readonly axiosAdapter: AxiosAdapter = async (config) => {
    const { baseURL = '', url = '', headers, signal } = config;
    const { status, body, retryAfter } = await this.text({
      url: baseURL + url,
      headers: Object.fromEntries(Object.entries(headers.toJSON()).map(([name, value]) => [name, String(value)])),
      body: config.data as string | undefined,
      signal: signal as AbortSignal,
    });
    const answerHeaders = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
    return { status, statusText: '', data: body, headers: answerHeaders, config };
  };

  /** @throws HttpFailure; anything once `signal` is aborted */
  async text(request: HttpRequest): Promise<HttpAnswer<string>> {
    const { body, ...answer } = await this.stream(request);
    try {
      return { ...answer, body: await readText(body, this.options.maxTextBytes) };
    } catch (error) {
      throw request.signal.aborted ? request.signal.reason : error;
    }
  }

  /**
   * The body as it comes, of any size; destroying it ends the connection, and with it the work on the server.
   * @throws HttpFailure; anything once `signal` is aborted
   */
  async stream(request: HttpRequest): Promise<HttpAnswer<Readable>> {
    const { statusCode, headers, body } = await this.send(request);
    const retryAfter = headers['retry-after'];
    return { status: statusCode, body, ...(typeof retryAfter === 'string' && { retryAfter }) };
  }

  private async send(request: HttpRequest, isRepeated = false): Promise<Dispatcher.ResponseData> {
    const { url, headers, body, signal } = request;
    const { origin, path, authorization } = this.targetOf(url);
    try {
      return await this.agent.request({
        origin,
        path,
        method: body === undefined ? 'GET' : 'POST',
        headers: { 'accept-encoding': 'identity', ...headers, ...(authorization !== undefined && { authorization }) },
        body,
        signal,
      });
    } catch (error) {
      if (signal.aborted) throw error;
      if (!isRepeated && isStaleConnection(error)) return this.send(request, true);
      throw toHttpFailure(error);
    }
  }

  /** Chats go to one address, one after the other. */
  private targetOf(url: string): Target {
    if (this.lastTarget?.url !== url) this.lastTarget = parseTarget(url);
    return this.lastTarget;
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

interface UndiciFailure extends Error {
  readonly code?: string;
  readonly socket?: { readonly bytesRead?: number };
}

/** Whether a kept connection ended before any of the answer had come: what had come was answers to requests before. */
function isStaleConnection(error: unknown): boolean {
  const { code = '', socket } = error as UndiciFailure;
  return CONNECTION_ENDED.has(code) && (socket?.bytesRead ?? 0) > 0;
}

function toHttpFailure(error: unknown): HttpFailure {
  const { name, code = name, message } = error as UndiciFailure;
  return new HttpFailure(error instanceof errors.HTTPParserError ? 'not HTTP' : 'unreachable', code, message);
}

// By events: the iterator of a stream takes several times as long for an answer of one piece.
function readText(body: Readable, maxBytes: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let total = 0;
  body.on('data', (chunk: Buffer) => {
    total += chunk.length;
    chunks.push(chunk);
    if (total > maxBytes) body.destroy(new HttpFailure('too large', 'EMSGSIZE', `more than ${maxBytes} bytes`));
  });
  body.once('end', () => {
    resolve(Buffer.concat(chunks, total).toString('utf8'));
  });
  const fail = (error: unknown): void => {
    const { name, code = name, message } = error as UndiciFailure;
    reject(error instanceof HttpFailure ? error : new HttpFailure('broken off', code, message));
  };
  body.once('error', fail);
  // An answer that ended between its head and here emits no more events.
  if (body.destroyed) fail(body.errored ?? new Error('the body was closed'));
  return promise;
}
