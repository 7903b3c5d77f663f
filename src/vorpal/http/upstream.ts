import type { HttpModuleOptions } from '@nestjs/axios';
import type { AxiosInstance, AxiosResponse } from 'axios';
import type { Readable } from 'node:stream';
import { BrainError, untilAborted } from '../../shared/index.js';
import type { ConnectionPool, HttpAnswer, HttpRequest } from './connection-pool.js';
import { errorFromAnswer, errorFromFailure } from './error-mapping.js';
import { HttpFailure } from './http-failure.js';
import type { ServerNames, VorpalServer } from './vorpal-server.js';

// A refused stream's body goes into a message of a few hundred characters; a wrong server could send gigabytes.
const MAX_ERROR_BODY_BYTES = 64 * 1024;

/** A request to one server, in axios' words. */
export interface UpstreamRequest {
  readonly method: 'GET' | 'POST';
  /** The path; the server's address is put before it. */
  readonly url: string;
  readonly headers?: Record<string, string>;
  readonly data?: string;
  readonly signal: AbortSignal;
  /** `null`: no status is taken for a failure. */
  readonly validateStatus?: null;
}

export interface UpstreamAnswer {
  readonly status: number;
  readonly data: string;
}

/**
 * One request and the text of its answer.
 * @throws the named errors of `vorpal.errors.ts`; anything once the request's signal is aborted
 */
export type SendRequest = (request: UpstreamRequest) => Promise<UpstreamAnswer>;

/**
 * The axios configuration for one server. JSON is parsed by the code that knows its schema, so axios transforms
 * nothing.
 */
export function axiosOptions(pool: ConnectionPool, { apiKey }: ServerNames): HttpModuleOptions {
  return {
    adapter: pool.axiosAdapter,
    headers: authorization(apiKey),
    validateStatus: isSuccess,
    transformRequest: [],
    transformResponse: [],
  };
}

/**
 * Requests over axios. The server's address is looked up for each, since a local Vorpal has another after each start.
 * Errors are named before they leave axios: its own hold the request, and with it the API key.
 */
export function overAxios(axios: AxiosInstance, server: VorpalServer): SendRequest {
  axios.interceptors.request.use((config) => {
    config.baseURL = server.url();
    return config;
  });
  axios.interceptors.response.use(
    (response: AxiosResponse<string>) => {
      const { status, data: body, headers, config } = response;
      if (config.validateStatus?.(status) !== false) return response;
      const retryAfter = headers['retry-after'] as string | undefined;
      throw errorFromAnswer({ status, body, path: config.url ?? '', retryAfter }, server);
    },
    (error: unknown) => {
      throw error instanceof HttpFailure ? errorFromFailure(error, server) : error;
    },
  );
  return (request) => axios.request<string>(request);
}

/** The same past axios, and streams. */
export class DirectUpstream {
  constructor(
    private readonly pool: ConnectionPool,
    private readonly server: VorpalServer,
  ) {}

  readonly send: SendRequest = async (request) => {
    const answer = await this.named(() => this.pool.text(this.toHttp(request)));
    const { status, body } = answer;
    if (!isSuccess(status) && request.validateStatus !== null) throw this.refusal(request, answer, body);
    return { status, data: body };
  };

  /** The body of a successful answer as it comes; destroying it ends the work on the server. @throws as {@link send} */
  async stream(request: UpstreamRequest): Promise<Readable> {
    const answer = await this.named(() => this.pool.stream(this.toHttp(request)));
    // An abort may destroy the stream while nobody reads it; without a listener that ends the process.
    answer.body.on('error', () => undefined);
    if (isSuccess(answer.status)) return answer.body;
    throw this.refusal(request, answer, await readErrorText(answer.body, request.signal));
  }

  private toHttp({ url, headers, data, signal }: UpstreamRequest): HttpRequest {
    return {
      url: this.server.url() + url,
      headers: { ...headers, ...authorization(this.server.apiKey) },
      body: data,
      signal,
    };
  }

  private async named<T>(request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw error instanceof HttpFailure ? errorFromFailure(error, this.server) : error;
    }
  }

  private refusal(request: UpstreamRequest, { status, retryAfter }: HttpAnswer<unknown>, body: string): BrainError {
    return errorFromAnswer({ status, body, path: request.url, retryAfter }, this.server);
  }
}

export const isSuccess = (status: number): boolean => status >= 200 && status < 300;

const authorization = (apiKey: string | undefined): Record<string, string> =>
  apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };

/** The body of a refused stream, cut to the length of a message. If the body fails, the part before that is used. */
async function readErrorText(stream: Readable, signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = [];
  try {
    await untilAborted(collect(stream, chunks, MAX_ERROR_BODY_BYTES), signal);
  } catch (error) {
    if (signal.aborted) throw error;
  } finally {
    stream.destroy();
  }
  return Buffer.concat(chunks).toString('utf8');
}

async function collect(stream: Readable, chunks: Uint8Array[], maxBytes: number): Promise<void> {
  let total = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    total += chunk.length;
    if (total >= maxBytes) return;
  }
}
