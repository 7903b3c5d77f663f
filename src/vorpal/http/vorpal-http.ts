import type { z } from 'zod';
import type { VorpalSettings } from '../vorpal.settings.js';
import { BrainError, Deadline, fullJitterBackoffMs, sleep } from '../../shared/index.js';
import {
  VorpalFailedError,
  VorpalOverloadedError,
  VorpalProtocolError,
  VorpalUnavailableError,
} from '../vorpal.errors.js';
import { CallAbortedError } from './call-aborted.error.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { errorFromAnswer, saysWhy, timeoutError } from './error-mapping.js';
import { isSuccess, type SendRequest, type UpstreamAnswer, type UpstreamRequest } from './upstream.js';
import type { VorpalServer } from './vorpal-server.js';

export interface VorpalCall {
  readonly path: string;
  /** Sent as JSON by POST; without it the call is a GET. */
  readonly body?: object;
  /** Whether it is a small question about the server, which must not wait behind work. */
  readonly isControl?: boolean;
  /** Limit of the whole call, attempts and pauses included; of a stream that has begun, of each silence. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** What requests travel on: connections of the one are never taken by what travels on the other. */
export interface Connections {
  readonly main: SendRequest;
  readonly control: SendRequest;
}

export type Resilience = Pick<VorpalSettings, 'retries' | 'breakerFailures' | 'breakerOpenMs' | 'connectTimeoutMs'>;

const MODELS_PATH = '/v1/models';
const JSON_HEADERS = { 'content-type': 'application/json' };

const RETRY_BACKOFF = { initialMs: 200, maxMs: 2_000 };
// Somebody waits for the answer: a server that asks for a longer pause is reported, with its Retry-After, instead.
const MAX_RETRY_PAUSE_MS = 2_000;

/**
 * JSON over HTTP to one server: time limit, abort, retries, circuit breaker, and answers checked against a schema.
 *
 * All errors are the named ones of `vorpal.errors.ts`, or `CallAbortedError`. Every call is safe to repeat (nothing
 * in the protocol changes the server's state), a stream until its first byte.
 */
export class VorpalHttp {
  private readonly circuit: CircuitBreaker;

  constructor(
    protected readonly server: VorpalServer,
    private readonly connections: Connections,
    private readonly resilience: Resilience,
  ) {
    this.circuit = new CircuitBreaker(server.name, resilience, (signal) => this.probe(signal));
  }

  /** The answer's JSON, as `schema` says it must be. */
  async fetchJson<T>(call: VorpalCall, schema: z.ZodType<T>): Promise<T> {
    const send = call.isControl ? this.connections.control : this.connections.main;
    return this.attempt(call, async (request) => {
      const { data } = await send(request);
      return this.check(this.parse(data, call.path), call.path, schema);
    });
  }

  /** How long calls have gone through; 0 while the circuit is open and they fail at once. */
  get healthyForMs(): number {
    return this.circuit.closedForMs;
  }

  /**
   * Asks now, past retries, whether a call would reach a server that is alive. While the circuit is open that is no,
   * until its pause is over and the server answers. A server that has no `GET /health` is alive.
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
    const { status, data } = await this.askOnce(path, timeoutMs, signal);
    return isSuccess(status) ? data : undefined;
  }

  /** Sends until an attempt succeeds, the failure is not worth another, or the time is over. */
  protected async attempt<T>(call: VorpalCall, send: (request: UpstreamRequest) => Promise<T>): Promise<T> {
    const deadline = new Deadline(call.timeoutMs, call.signal);
    const request = requestOf(call, deadline.signal);
    const work = () => send(request).catch((error: unknown) => this.fail(error, deadline));
    try {
      for (let failures = 0; ; failures++) {
        const url = this.server.url();
        try {
          return await this.circuit.run(url, work, deadline);
        } catch (error) {
          await this.pauseBeforeRetry(error, failures, deadline);
        }
      }
    } catch (error) {
      return this.fail(error, deadline);
    } finally {
      deadline.dispose();
    }
  }

  /** Parses `text`. @throws VorpalProtocolError */
  protected parse(text: string, path: string): unknown {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      const what = /\b(NaN|Infinity)\b/.test(text) ? 'holds NaN or Infinity' : 'is not valid JSON';
      throw this.unlikeTheProtocol(path, what);
    }
  }

  /** @throws VorpalProtocolError */
  protected check<T>(payload: unknown, path: string, schema: z.ZodType<T>): T {
    const result = schema.safeParse(payload);
    if (result.success) return result.data;
    const [issue] = result.error.issues;
    const where = issue === undefined ? '' : ` (${issue.path.join('.')}: ${issue.message})`;
    throw this.unlikeTheProtocol(path, `is not what the protocol says${where}`);
  }

  private unlikeTheProtocol(path: string, what: string): VorpalProtocolError {
    const { name, urlSetting } = this.server;
    return new VorpalProtocolError(
      `The answer of ${name} to ${path} ${what}; check that ${urlSetting} names a vLLM-compatible server.`,
    );
  }

  /** @throws what ended the call: its time limit, its caller, or `error` itself */
  private fail(error: unknown, deadline: Deadline): never {
    if (error instanceof BrainError) throw error;
    if (deadline.timedOut) throw timeoutError(deadline.limitMs, this.server);
    throw deadline.signal.aborted ? new CallAbortedError() : error;
  }

  // cockatiel's own retry policy sleeps through an abort, hence this loop's own pause.
  private async pauseBeforeRetry(error: unknown, failures: number, deadline: Deadline): Promise<void> {
    if (!isWorthRetrying(error) || failures >= this.resilience.retries || !this.circuit.closed) throw error;
    const requestedMs = error instanceof VorpalFailedError ? 0 : error.requestedDelayMs;
    const pauseMs = Math.max(requestedMs, fullJitterBackoffMs(failures, RETRY_BACKOFF));
    if (pauseMs > MAX_RETRY_PAUSE_MS || pauseMs >= deadline.remainingMs) throw error;
    if (!(await sleep(pauseMs, deadline.signal))) throw new CallAbortedError();
  }

  private async probe(signal?: AbortSignal): Promise<void> {
    const outage = await this.outageAt('/health', signal);
    if (outage === undefined) return;
    // A proxy that passes on no more than /v1 answers for /health itself, the same whether the server is well or not.
    if (!outage.isExplained && (await this.outageAt(MODELS_PATH, signal)) === undefined) return;
    throw outage.error;
  }

  /** The message of a server that is not ready, from its answer to `GET path`; `undefined` for any other answer. */
  private async outageAt(path: string, signal: AbortSignal | undefined) {
    const { status, data: body } = await this.askOnce(path, this.resilience.connectTimeoutMs, signal);
    if (isSuccess(status)) return undefined;
    const error = errorFromAnswer({ status, body, path }, this.server);
    return error instanceof VorpalUnavailableError ? { error, isExplained: saysWhy(body) } : undefined;
  }

  private async askOnce(path: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<UpstreamAnswer> {
    const deadline = new Deadline(timeoutMs, signal);
    try {
      const request = requestOf({ path, timeoutMs }, deadline.signal);
      return await this.connections.control({ ...request, validateStatus: null });
    } catch (error) {
      return this.fail(error, deadline);
    } finally {
      deadline.dispose();
    }
  }
}

function requestOf({ path, body }: VorpalCall, signal: AbortSignal): UpstreamRequest {
  if (body === undefined) return { method: 'GET', url: path, signal };
  return { method: 'POST', url: path, headers: JSON_HEADERS, data: JSON.stringify(body), signal };
}

const isWorthRetrying = (error: unknown) =>
  error instanceof VorpalUnavailableError ||
  error instanceof VorpalOverloadedError ||
  error instanceof VorpalFailedError;
