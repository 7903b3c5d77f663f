import type { Readable } from 'node:stream';
import { z } from 'zod';
import type { Settings } from '../../config/index.js';
import { fullJitterBackoffMs, sleep } from '../../shared/index.js';
import { CallAbortedError, CallDeadline, untilAborted } from './call-deadline.js';
import { Circuit } from './circuit-breaker.js';
import { readEvents } from './event-stream.js';
import {
  errorFromAnswer,
  errorFromEvent,
  errorFromFailure,
  isStaleConnection,
  saysWhy,
  type ServerNames,
} from './error-mapping.js';
import type { VorpalWires } from './vorpal-wires.js';
import {
  VorpalFailedError,
  VorpalOverloadedError,
  VorpalProtocolError,
  VorpalUnavailableError,
} from '../vorpal.errors.js';
import type { WireAnswer, WireRequest } from './wire.js';

export interface VorpalServer extends ServerNames {
  /** Base address. @throws VorpalUnavailableError while none is known */
  url(): string;
}

export interface VorpalCall {
  readonly path: string;
  /** Sent as JSON by POST; without it the call is a GET. */
  readonly body?: object;
  readonly modelSetting: string;
  /** What it travels on; not set: `work`. */
  readonly wire?: keyof VorpalWires;
  /** Limit of the whole call, attempts and pauses included; of a stream that has begun, of each silence. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

type Resilience = Pick<Settings['vorpal'], 'retries' | 'breakerFailures' | 'breakerOpenMs' | 'connectTimeoutMs'>;
type Attempt<T> = (url: string, deadline: CallDeadline) => Promise<T>;

const MODELS_PATH = '/v1/models';

const RETRY_BACKOFF = { initialMs: 200, maxMs: 2_000 };
// Somebody waits for the answer: a server that asks for a longer pause is reported, with its Retry-After, instead.
const MAX_RETRY_PAUSE_MS = 2_000;

// A refusal's body goes into a message of a few hundred characters; without a bound a wrong server could send gigabytes.
const MAX_ERROR_BODY_BYTES = 64 * 1024;

/**
 * JSON over HTTP to one server: time limit, abort, retries, circuit breaker, and answers checked against a schema.
 *
 * All errors are the named ones of `vorpal.errors.ts`, or `CallAbortedError`. Every call is safe to repeat (nothing
 * in the protocol changes the server's state), a stream until its first byte.
 */
export class VorpalTransport {
  private readonly circuit: Circuit;

  constructor(
    private readonly wires: VorpalWires,
    private readonly server: VorpalServer,
    private readonly resilience: Resilience,
  ) {
    this.circuit = new Circuit(server.name, resilience, (url, signal) => this.probe(url, signal));
  }

  /** The answer's JSON, as `schema` says it must be. */
  async fetchJson<T>(call: VorpalCall, schema: z.ZodType<T>): Promise<T> {
    return this.persist(call, async (url, deadline) => {
      const answer = await this.ask(url, call, deadline);
      if (!isSuccess(answer)) throw this.errorFrom(answer, answer.body, call);
      return this.check(this.parse(answer.body, call.path), call.path, schema);
    });
  }

  /** The events of a streamed answer; see {@link readEvents}. */
  async *streamJson<T>(call: VorpalCall, schema: z.ZodType<T>): AsyncGenerator<T, void> {
    const stream = await this.persist(call, (url, deadline) => this.open(url, call, deadline));
    const { path, timeoutMs, signal, modelSetting } = call;
    for await (const data of readEvents(stream, { idleMs: timeoutMs, signal, server: this.server })) {
      const payload = this.parse(data, path);
      const error = errorFromEvent(payload, path, modelSetting, this.server);
      if (error) throw error;
      yield this.check(payload, path, schema);
    }
  }

  /** How long calls have gone through; 0 while the circuit is open and they fail at once. */
  get healthyForMs(): number {
    return this.circuit.closedForMs;
  }

  /**
   * Asks now, past retries, whether a call would reach a server that is alive. While the circuit is open that is no, until
   * its pause is over and the server answers. A server that has no `GET /health` is alive.
   * @throws VorpalUnavailableError | VorpalTimeoutError | CallAbortedError
   */
  async checkAlive(signal?: AbortSignal): Promise<void> {
    await this.circuit.check(this.server.url(), signal);
  }

  /**
   * The text that the server answers `GET path` with, asked once, past retries and circuit breaker; `undefined` for an
   * answer with a status other than 2xx.
   * @throws VorpalUnavailableError | VorpalTimeoutError | CallAbortedError
   */
  async askText(path: string, timeoutMs: number, signal?: AbortSignal): Promise<string | undefined> {
    const answer = await this.askOnce(this.server.url(), path, timeoutMs, signal);
    return isSuccess(answer) ? answer.body : undefined;
  }

  private async probe(url: string, signal?: AbortSignal): Promise<void> {
    const outage = await this.outageAt(url, '/health', signal);
    if (outage === undefined) return;
    // A proxy that passes on no more than /v1 answers for /health itself, the same whether the server is well or not.
    if (!outage.isExplained && (await this.outageAt(url, MODELS_PATH, signal)) === undefined) return;
    throw outage.error;
  }

  /** What the answer to `GET path` says of a server that is not ready; `undefined` for any other answer. */
  private async outageAt(url: string, path: string, signal: AbortSignal | undefined) {
    const { connectTimeoutMs } = this.resilience;
    const answer = await this.askOnce(url, path, connectTimeoutMs, signal);
    if (isSuccess(answer)) return undefined;
    const error = this.errorFrom(answer, answer.body, { path, modelSetting: '' });
    if (!(error instanceof VorpalUnavailableError)) return undefined;
    return { error, isExplained: saysWhy(answer.body) };
  }

  private async askOnce(url: string, path: string, timeoutMs: number, signal: AbortSignal | undefined) {
    const deadline = new CallDeadline(timeoutMs, signal);
    try {
      return await this.ask(url, { path, modelSetting: '', wire: 'control', timeoutMs, signal }, deadline);
    } finally {
      deadline.dispose();
    }
  }

  /** Attempts until one succeeds, the failure is not worth another, or the time is over. */
  private async persist<T>(call: VorpalCall, attempt: Attempt<T>): Promise<T> {
    const deadline = new CallDeadline(call.timeoutMs, call.signal);
    try {
      for (let failures = 0; ; failures++) {
        const url = this.server.url();
        try {
          return await this.circuit.run(url, () => attempt(url, deadline), deadline);
        } catch (error) {
          await this.pauseBeforeRetry(errorFromFailure(error, deadline, this.server), failures, deadline);
        }
      }
    } finally {
      deadline.dispose();
    }
  }

  // cockatiel's own retry policy sleeps through an abort, hence this loop's own pause.
  private async pauseBeforeRetry(error: unknown, failures: number, deadline: CallDeadline): Promise<void> {
    if (!isWorthRetrying(error) || failures >= this.resilience.retries || !this.circuit.closed) throw error;
    const requestedMs = error instanceof VorpalFailedError ? 0 : error.requestedDelayMs;
    const pauseMs = Math.max(requestedMs, fullJitterBackoffMs(failures, RETRY_BACKOFF));
    if (pauseMs > MAX_RETRY_PAUSE_MS || pauseMs >= deadline.remainingMs) throw error;
    if (!(await sleep(pauseMs, deadline.signal))) throw new CallAbortedError();
  }

  private async open(url: string, call: VorpalCall, deadline: CallDeadline): Promise<Readable> {
    const answer = await this.send(url, call, deadline, (request) => this.wires.chat.stream(request));
    // An abort may destroy the stream while nobody reads it; without a listener that ends the process.
    answer.body.on('error', () => undefined);
    if (isSuccess(answer)) return answer.body;
    throw this.errorFrom(answer, await this.readErrorText(answer.body, deadline), call);
  }

  private async ask(url: string, call: VorpalCall, deadline: CallDeadline): Promise<WireAnswer<string>> {
    const wire = this.wires[call.wire ?? 'work'];
    return this.send(url, call, deadline, (request) => wire.text(request));
  }

  private async send<Body>(
    url: string,
    { path, body }: VorpalCall,
    deadline: CallDeadline,
    over: (request: WireRequest) => Promise<WireAnswer<Body>>,
  ): Promise<WireAnswer<Body>> {
    const { apiKey } = this.server;
    const request: WireRequest = {
      url: url + path,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: deadline.signal,
    };
    try {
      return await over(request).catch((error: unknown) => {
        if (isStaleConnection(error)) return over(request);
        throw error;
      });
    } catch (error) {
      throw errorFromFailure(error, deadline, this.server);
    }
  }

  private errorFrom(
    { status, retryAfter }: WireAnswer<unknown>,
    body: string,
    call: Pick<VorpalCall, 'path' | 'modelSetting'>,
  ): Error {
    const { path, modelSetting } = call;
    return errorFromAnswer({ status, body, path, modelSetting, retryAfter }, this.server);
  }

  /** The body of a refused stream, cut where it is too long for a message. What arrived before a failure is used. */
  private async readErrorText(stream: Readable, deadline: CallDeadline): Promise<string> {
    const chunks: Uint8Array[] = [];
    try {
      await untilAborted(collect(stream, chunks, MAX_ERROR_BODY_BYTES), deadline.signal);
    } catch (error) {
      if (deadline.signal.aborted) throw errorFromFailure(error, deadline, this.server);
    } finally {
      stream.destroy();
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  private parse(text: string, path: string): unknown {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      const what = /\b(NaN|Infinity)\b/.test(text) ? 'holds a number that is none (NaN)' : 'is not valid JSON';
      throw new VorpalProtocolError(
        `The answer of ${this.server.name} to ${path} ${what}; check that ${this.server.urlSetting} names a vLLM-compatible server.`,
      );
    }
  }

  private check<T>(payload: unknown, path: string, schema: z.ZodType<T>): T {
    const result = schema.safeParse(payload);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    const where = issue === undefined ? '' : ` (${issue.path.join('.')}: ${issue.message})`;
    throw new VorpalProtocolError(
      `The answer of ${this.server.name} to ${path} is not what the protocol says${where}; check that ${this.server.urlSetting} names a vLLM-compatible server.`,
    );
  }
}

const isSuccess = ({ status }: WireAnswer<unknown>): boolean => status >= 200 && status < 300;

const isWorthRetrying = (error: unknown) =>
  error instanceof VorpalUnavailableError ||
  error instanceof VorpalOverloadedError ||
  error instanceof VorpalFailedError;

async function collect(stream: Readable, chunks: Uint8Array[], maxBytes: number): Promise<void> {
  let total = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    total += chunk.length;
    if (total >= maxBytes) return;
  }
}
