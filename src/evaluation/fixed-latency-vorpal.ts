import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import {
  type CompletionRequest,
  completionRequestSchema,
  type EmbeddingRequest,
  embeddingRequestSchema,
} from '../vllm-protocol/index.js';

export interface StubLatencies {
  readonly chatMs: number;
  readonly scoringMs: number;
  /** Scoring requests served at once, the others wait; not set: all of them. */
  readonly scoringAtOnce?: number;
}

const MODEL = 'stub';
const EMBEDDING_MODEL = 'stub-embedder';
const STUB_LOGPROB = -2.5;
const CHARACTERS_PER_TOKEN = 4;

/** A Vorpal that answers after a fixed time, so that a benchmark measures the brain and not a model. */
export class FixedLatencyVorpal {
  scoredPrompts = 0;
  private scoring = 0;
  private readonly waiting: (() => void)[] = [];

  private constructor(
    private readonly server: Server,
    /** May be changed while it runs; counts for requests that arrive afterwards. */
    public latencies: StubLatencies,
  ) {}

  static async start(latencies: StubLatencies, port = 0): Promise<FixedLatencyVorpal> {
    const server = createServer();
    const stub = new FixedLatencyVorpal(server, latencies);
    server.on('request', (request, response) => {
      stub.answer(request, response).catch((error: unknown) => response.writeHead(500).end(String(error)));
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return stub;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (request.url) {
      case '/health':
        response.end();
        return;
      case '/v1/models':
        send(response, { object: 'list', data: [{ id: MODEL, object: 'model', max_model_len: 32_768 }] });
        return;
      case '/v1/chat/completions':
        await json(request);
        later(this.latencies.chatMs, response, chatAnswer());
        return;
      case '/v1/completions': {
        const body = completionRequestSchema.parse(await json(request));
        await this.place(response);
        later(this.latencies.scoringMs, response, this.score(body));
        return;
      }
      case '/v1/embeddings':
        send(response, embeddingsAnswer(embeddingRequestSchema.parse(await json(request))));
        return;
      default:
        response.writeHead(404).end();
    }
  }

  /** Resolves when the request may be served; it keeps its place until its connection or its answer is done. */
  private async place(response: ServerResponse): Promise<void> {
    if (this.scoring >= (this.latencies.scoringAtOnce ?? Infinity)) {
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else this.scoring += 1;
    if (response.destroyed) this.leave();
    else
      response.once('close', () => {
        this.leave();
      });
  }

  /** Hands the place to whoever waits longest. */
  private leave(): void {
    const next = this.waiting.shift();
    if (next) next();
    else this.scoring -= 1;
  }

  private score(request: CompletionRequest): object {
    const prompts = (Array.isArray(request.prompt) ? request.prompt : [request.prompt]).map(String);
    this.scoredPrompts += prompts.length;
    const choices = prompts.map((prompt, index) => {
      const tokens = [...(prompt.match(new RegExp(`.{1,${CHARACTERS_PER_TOKEN}}`, 'gsu')) ?? ['']), '.'];
      const logprobs = tokens.map((_, position) => (position === 0 ? null : STUB_LOGPROB));
      return { index, text: `${prompt}.`, finish_reason: 'length', logprobs: { tokens, token_logprobs: logprobs } };
    });
    const promptTokens = choices.reduce((sum, choice) => sum + choice.logprobs.tokens.length - 1, 0);
    return {
      id: 'cmpl-stub',
      object: 'text_completion',
      created: 0,
      model: MODEL,
      choices,
      usage: {
        prompt_tokens: promptTokens,
        completion_tokens: prompts.length,
        total_tokens: promptTokens + prompts.length,
      },
    };
  }
}

function chatAnswer(): object {
  return {
    id: 'chatcmpl-stub',
    object: 'chat.completion',
    created: 0,
    model: MODEL,
    choices: [{ index: 0, message: { role: 'assistant', content: 'Understood.' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 },
  };
}

/** Vectors that depend on nothing but the text, and lie far apart for different ones. */
function embeddingsAnswer({ input, encoding_format: format }: EmbeddingRequest): object {
  const texts = (Array.isArray(input) ? input : [input]).map(String);
  return {
    object: 'list',
    model: EMBEDDING_MODEL,
    data: texts.map((text, index) => ({
      index,
      object: 'embedding',
      embedding: encode(pseudoEmbedding(text), format),
    })),
    usage: { prompt_tokens: texts.length, total_tokens: texts.length },
  };
}

function pseudoEmbedding(text: string): number[] {
  return [...createHash('sha256').update(text).digest()].map((byte) => byte / 127.5 - 1);
}

const encode = (vector: number[], format: string | null | undefined): number[] | string =>
  format === 'base64' ? Buffer.from(Float32Array.from(vector).buffer).toString('base64') : vector;

function send(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function later(ms: number, response: ServerResponse, body: object): void {
  const timer = setTimeout(() => {
    send(response, body);
  }, ms);
  response.once('close', () => {
    clearTimeout(timer);
  });
}
