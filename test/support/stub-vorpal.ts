import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** What the client sends, over all routes. */
export interface StubBody {
  readonly model: string;
  readonly prompt: string | readonly string[] | readonly number[][];
  readonly input: readonly string[];
  readonly messages: readonly { role: string; content: string }[];
  readonly add_special_tokens?: boolean;
  readonly [field: string]: unknown;
}

export interface StubRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: StubBody;
  /** Settles when the client has closed the connection before the answer was complete. */
  readonly abandoned: Promise<void>;
}

export type StubHandler = (request: StubRequest, response: ServerResponse) => void | Promise<void>;

export const STUB_MODEL = 'stub-model';
export const STUB_BOS = 256;
/** What a stub with a `separator` makes of {@link STUB_SEPARATOR_TEXT}. */
export const STUB_SEPARATOR = 257;
export const STUB_SEPARATOR_TEXT = '<|endoftext|>';

export interface StubOptions {
  /** Whether the stub's tokenizer puts a BOS before strings. */
  readonly bos?: boolean;
  /** Whether its tokenizer knows a document separator; `sticky`: one that takes the space behind it. */
  readonly separator?: boolean | 'sticky';
  readonly maxModelLen?: number;
  readonly model?: string;
}

/**
 * A real HTTP server that answers like vLLM, for faults and fixed numbers: its tokens are UTF-8 bytes, and a token's
 * log-probability depends on nothing but its id, so that a sum over a text is the same however the text is cut.
 */
export class StubVorpal {
  readonly requests: StubRequest[] = [];
  readonly sockets = new Set<Socket>();
  connections = 0;
  model: string;
  private readonly server: Server;
  private readonly once = new Map<string, StubHandler[]>();
  private readonly always = new Map<string, StubHandler>();
  private readonly open = new Set<ServerResponse>();
  private readonly problems: string[] = [];

  private constructor(private readonly options: StubOptions) {
    this.model = options.model ?? STUB_MODEL;
    this.server = createServer((request, response) => {
      this.open.add(response);
      response.once('close', () => this.open.delete(response));
      this.answer(request, response).catch((error: unknown) => {
        this.problems.push(`The answer to ${request.method} ${request.url} failed: ${String(error)}`);
        response.destroy();
      });
    });
    this.server.on('connection', (socket) => {
      this.connections++;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
    });
  }

  static async start(options: StubOptions = {}, port = 0): Promise<StubVorpal> {
    const stub = new StubVorpal(options);
    stub.server.listen(port, '127.0.0.1');
    await once(stub.server, 'listening');
    return stub;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Answers the next request for `path` with `handler`; several wait in line. A test must have all of them used. */
  next(path: string, handler: StubHandler): this {
    this.once.set(path, [...(this.once.get(path) ?? []), handler]);
    return this;
  }

  /** Answers every request for `path` with `handler`. */
  on(path: string, handler: StubHandler): this {
    this.always.set(path, handler);
    return this;
  }

  /** What requests for `path` are answered with. */
  handlerOf(path: string): StubHandler {
    return this.always.get(path) ?? this.defaultHandler(path);
  }

  requestsFor(path: string): StubRequest[] {
    return this.requests.filter((request) => request.path === path);
  }

  /** As new, for the next test: what this one set, counted and left without an answer is gone. */
  reset(): void {
    this.once.clear();
    this.always.clear();
    this.problems.length = 0;
    this.requests.length = 0;
    this.connections = 0;
    this.model = this.options.model ?? STUB_MODEL;
    // Somebody waits for it who asked in the last test.
    for (const response of this.open) response.destroy();
  }

  /**
   * A test that leaves an answer unused, or asked for what the stub does not know, did not do what it says.
   * @throws Error that lists it, once
   */
  assertUsed(): void {
    const problems = this.problems.splice(0);
    for (const [path, { length }] of this.once) {
      if (length > 0) problems.push(`${length} prepared for ${path} never asked for.`);
    }
    this.once.clear();
    if (problems.length > 0) throw new Error(`The stub of Vorpal: ${problems.join(' ')}`);
  }

  /** @throws Error as {@link assertUsed} does, after it has stopped */
  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
    this.assertUsed();
  }

  private async answer(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    const path = incoming.url ?? '';
    const abandoned = new Promise<void>((resolve) => {
      response.on('close', () => {
        if (!response.writableFinished) resolve();
      });
    });
    const request: StubRequest = {
      method: incoming.method ?? '',
      path,
      headers: incoming.headers,
      body: JSON.parse(text === '' ? '{}' : text) as StubBody,
      abandoned,
    };
    this.requests.push(request);
    const handler = this.once.get(path)?.shift() ?? this.always.get(path) ?? this.defaultHandler(path);
    await handler(request, response);
  }

  private defaultHandler(path: string): StubHandler {
    switch (path.split('?')[0]) {
      case '/health':
        return (_, response) => void response.end();
      case '/v1/models':
        return (_, response) => {
          sendJson(response, modelList([this.model], this.options.maxModelLen));
        };
      case '/tokenize':
        return ({ body }, response) => {
          const text = (body.prompt as string | undefined) ?? body.messages.map(({ content }) => content).join('\n');
          const tokens = this.tokenize(text, body.add_special_tokens !== false);
          sendJson(response, { count: tokens.length, max_model_len: this.options.maxModelLen ?? 2_048, tokens });
        };
      case '/v1/completions':
        return ({ body }, response) => {
          sendJson(response, completion(this.prompts(body.prompt), body.model));
        };
      case '/v1/chat/completions':
        return ({ body }, response) => {
          if (body.stream === true) sendEvents(response, [chatChunk('Hello.'), chatChunk(undefined, 'stop'), '[DONE]']);
          else sendJson(response, chatCompletion(body.model, 'Hello.'));
        };
      case '/v1/embeddings':
        return ({ body }, response) => {
          sendJson(response, embeddings(body.input));
        };
      case '/metrics':
        return notFound;
      default:
        this.problems.push(`It was asked for ${path}, which it does not know.`);
        return notFound;
    }
  }

  private tokenize(text: string, special: boolean): number[] {
    const { bos, separator } = this.options;
    const parts = separator ? text.split(STUB_SEPARATOR_TEXT) : [text];
    const ids = parts.flatMap((part, index) => [
      ...(index > 0 ? [STUB_SEPARATOR] : []),
      ...Buffer.from(index > 0 && separator === 'sticky' ? part.trimStart() : part),
    ]);
    return [...(special && bos ? [STUB_BOS] : []), ...ids];
  }

  private prompts(prompt: StubBody['prompt']): number[][] {
    return (typeof prompt === 'string' ? [prompt] : prompt).map((one) =>
      typeof one === 'string' ? this.tokenize(one, true) : one,
    );
  }
}

const notFound: StubHandler = (_, response) => {
  sendJson(response, { detail: 'Not Found' }, 404);
};

/** The stub's log-probability of a token. */
export const stubLogprob = (id: number): number => -(1 + (id % 7)) / 4;

export function sendJson(response: ServerResponse, payload: unknown, status = 200, headers = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(typeof payload === 'string' ? payload : JSON.stringify(payload));
}

export function sendEvents(response: ServerResponse, payloads: readonly unknown[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
  response.end(payloads.map(sse).join(''));
}

export const modelList = (ids: readonly string[], maxModelLen: number | null = 2_048) => ({
  object: 'list',
  data: ids.map((id) => ({ id, object: 'model', created: 0, owned_by: 'vllm', max_model_len: maxModelLen })),
});

/** Answer to `echo: true, logprobs: 0, max_tokens: 1`, with the fields that vLLM adds unasked. */
export function completion(prompts: readonly (readonly number[])[], model = STUB_MODEL) {
  const total = prompts.reduce((sum, ids) => sum + ids.length, 0);
  return {
    id: 'cmpl-1',
    object: 'text_completion',
    created: 0,
    model,
    choices: prompts.map((ids, index) => ({
      index,
      text: 'ignored',
      finish_reason: 'length',
      stop_reason: null,
      logprobs: {
        tokens: [...ids.map(String), '<generated>'],
        // The generated token's entry is absurd on purpose: counting it shows in every number.
        token_logprobs: [null, ...ids.slice(1).map(stubLogprob), -77] as (number | null)[],
        top_logprobs: [null, ...ids.slice(1).map((id) => ({ [String(id)]: stubLogprob(id) })), { x: -77 }],
        text_offset: [0, ...ids.map((_, position) => position)],
      },
      prompt_logprobs: [null],
    })),
    usage: { prompt_tokens: total, completion_tokens: prompts.length, total_tokens: total + prompts.length },
  };
}

export const chatCompletion = (model: string, content: string | null) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 0,
  model,
  choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop', logprobs: null }],
  usage: { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 },
});

export const chatChunk = (content: string | undefined, finish: string | null = null) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion.chunk',
  created: 0,
  model: STUB_MODEL,
  choices: [{ index: 0, delta: content === undefined ? {} : { content }, finish_reason: finish }],
});

export const sse = (payload: unknown): string =>
  `data: ${typeof payload === 'string' ? payload : JSON.stringify(payload)}\n\n`;

/** Two-dimensional vectors (length of the text, 1), as base64 like vLLM's when asked for it. */
export const embeddings = (input: readonly string[], format: 'base64' | 'float' = 'base64') => ({
  object: 'list',
  model: 'embedder',
  data: input.map((text, index) => {
    const vector = [text.length, 1];
    const base64 = Buffer.from(Float32Array.from(vector).buffer).toString('base64');
    return { index, object: 'embedding', embedding: format === 'base64' ? base64 : vector };
  }),
  usage: { prompt_tokens: 1, total_tokens: 1 },
});
