import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

export const VORPAL_FAULTS = [
  'http-500',
  'http-429',
  'http-429-retry-after',
  'http-503',
  /** Takes the request and never answers. */
  'held',
  /** The connection is reset in the middle of the body. */
  'reset',
  /** An answer that is whole for HTTP and ends in the middle of its JSON. */
  'truncated-json',
  'invalid-json',
  /** One choice, or one embedding, too few; or one log-probability. */
  'wrong-length',
  /** Values that are not numbers. */
  'nan',
] as const;
export type VorpalFault = (typeof VORPAL_FAULTS)[number];

export interface FaultyRequest {
  readonly path: string;
  readonly body: string;
}

const RETRY_AFTER_SECONDS = 1;

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

interface CompletionBody {
  choices: { logprobs: { tokens: string[]; token_logprobs: (number | null)[] } }[];
}
interface EmbeddingsBody {
  data: { embedding: string }[];
}

/** An HTTP proxy in front of a Vorpal that works, which does to each request what it is told to. */
export class FaultyVorpal {
  /** Which fault a request meets; `undefined`: none. */
  faultOf: (request: FaultyRequest) => VorpalFault | undefined = () => undefined;
  /** Requests that met each fault. */
  readonly met = new Map<VorpalFault, number>();
  private readonly server: Server;
  private isSilent = false;
  private unansweredCount = 0;

  private constructor(private readonly targetUrl: string) {
    this.server = createServer((request, response) => {
      const { method = 'GET', url = '/', headers } = request;
      text(request)
        .then((body) => this.answer(method, { path: url, body }, headers, response))
        // The client has gone, or the one behind: nobody is left to be told.
        .catch(() => response.destroy());
    });
  }

  static async start(targetUrl: string): Promise<FaultyVorpal> {
    const proxy = new FaultyVorpal(targetUrl);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** Requests that got no answer because of {@link fallSilent}. */
  get unanswered(): number {
    return this.unansweredCount;
  }

  /** No request, of whatever path, is answered any more; connections can be made. */
  fallSilent(): void {
    this.isSilent = true;
  }

  /** New requests are answered again. What was asked meanwhile is not. */
  speak(): void {
    this.isSilent = false;
  }

  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(
    method: string,
    request: FaultyRequest,
    headers: IncomingHttpHeaders,
    response: ServerResponse,
  ): Promise<void> {
    if (this.isSilent) {
      this.unansweredCount += 1;
      return;
    }
    const fault = this.faultOf(request);
    if (fault !== undefined) this.met.set(fault, (this.met.get(fault) ?? 0) + 1);
    if (fault === 'held') return;
    const answer = refusal(fault) ?? garble(await this.forward(method, request, headers), fault);
    if (fault === 'reset') reset(response, answer);
    else response.writeHead(answer.status, answer.headers).end(answer.body);
  }

  private async forward(method: string, { path, body }: FaultyRequest, headers: IncomingHttpHeaders): Promise<Answer> {
    const response = await fetch(this.targetUrl + path, {
      method,
      headers: { 'content-type': headers['content-type'] ?? 'application/json' },
      ...(body !== '' && { body }),
    });
    const contentType = response.headers.get('content-type');
    return {
      status: response.status,
      headers: contentType === null ? {} : { 'content-type': contentType },
      body: await response.text(),
    };
  }
}

function refusal(fault: VorpalFault | undefined): Answer | undefined {
  switch (fault) {
    case 'http-500':
      return error(500, 'InternalServerError', 'Something went wrong');
    case 'http-429':
      return error(429, 'TooManyRequests', 'Too many requests');
    case 'http-429-retry-after':
      return error(429, 'TooManyRequests', 'Too many requests', { 'retry-after': String(RETRY_AFTER_SECONDS) });
    case 'http-503':
      return error(503, 'ServiceUnavailable', 'Loading');
    default:
      return undefined;
  }
}

function error(status: number, type: string, message: string, headers = {}): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ error: { message, type, param: null, code: status } }),
  };
}

function garble(answer: Answer, fault: VorpalFault | undefined): Answer {
  const { body } = answer;
  switch (fault) {
    case 'truncated-json':
      return { ...answer, body: body.slice(0, body.length / 2) };
    case 'invalid-json':
      return { ...answer, body: `<html>${body}</html>` };
    case 'wrong-length':
      return { ...answer, body: shorten(body) };
    case 'nan':
      return { ...answer, body: withoutNumbers(body) };
    default:
      return answer;
  }
}

function shorten(body: string): string {
  const answer = JSON.parse(body) as Partial<CompletionBody & EmbeddingsBody>;
  const [choice] = answer.choices ?? [];
  if (choice !== undefined && answer.choices?.length === 1) choice.logprobs.tokens.pop();
  else (answer.choices ?? answer.data)?.pop();
  return JSON.stringify(answer);
}

function withoutNumbers(body: string): string {
  const answer = JSON.parse(body) as Partial<CompletionBody & EmbeddingsBody>;
  for (const item of answer.data ?? []) {
    const bytes = Buffer.from(item.embedding, 'base64');
    bytes.writeFloatLE(Number.NaN, 0);
    item.embedding = bytes.toString('base64');
  }
  // As Python writes it, which is no JSON.
  return JSON.stringify(answer).replaceAll(/(?<="token_logprobs":\[null,)-[\d.]+/g, 'NaN');
}

function reset(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.write(body.slice(0, body.length / 2), () => response.socket?.resetAndDestroy());
}
