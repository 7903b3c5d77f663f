import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { sleep } from '../../src/shared/index.js';
import {
  type ChatCompletionRequest,
  type CompletionRequest,
  completionRequestSchema,
  type EmbeddingRequest,
  embeddingRequestSchema,
  encodeSseData,
  SSE_DONE,
} from '@archive-brain/vllm-protocol';

export interface StubLatencies {
  /** Until the whole answer; of a streamed one, until its first piece. */
  readonly chatMs: number;
  /** Between the pieces of a streamed answer; not set: they come together. */
  readonly pieceMs?: number;
  readonly scoringMs: number;
  /** Scoring requests served at once, the others wait; not set: all of them. */
  readonly scoringAtOnce?: number;
}

const MODEL = 'stub';
const MAX_MODEL_LEN = 32_768;
const EMBEDDING_MODEL = 'stub-embedder';
const STUB_LOGPROB = -2.5;
const CHARACTERS_PER_TOKEN = 4;
const CHAT_PIECES = ['Under', 'stood.'];

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
        send(response, { object: 'list', data: [{ id: MODEL, object: 'model', max_model_len: MAX_MODEL_LEN }] });
        return;
      case '/v1/chat/completions': {
        const { stream } = (await json(request)) as ChatCompletionRequest;
        if (!(await pause(this.latencies.chatMs, response))) return;
        if (stream) await this.streamChat(response);
        else sendJson(response, CHAT_ANSWER);
        return;
      }
      case '/v1/completions': {
        const body = completionRequestSchema.parse(await json(request));
        await this.place(response);
        const answer = this.score(body);
        if (await pause(this.latencies.scoringMs, response)) send(response, answer);
        return;
      }
      case '/tokenize': {
        const { prompt } = (await json(request)) as { prompt: string };
        const tokens = tokensOf(prompt).map(idOf);
        send(response, { tokens, count: tokens.length, max_model_len: MAX_MODEL_LEN });
        return;
      }
      case '/v1/embeddings':
        send(response, embeddingsAnswer(embeddingRequestSchema.parse(await json(request))));
        return;
      default:
        response.writeHead(404).end();
    }
  }

  private async streamChat(response: ServerResponse): Promise<void> {
    const { pieceMs = 0 } = this.latencies;
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (const [index, event] of CHAT_EVENTS.entries()) {
      if (index > 0 && !(await pause(pieceMs, response))) return;
      response.write(event);
    }
    response.end();
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
    const prompts = promptsIn(request);
    this.scoredPrompts += prompts.length;
    const choices = prompts.map((prompt, index) => {
      const tokens = [...(typeof prompt === 'string' ? tokensOf(prompt) : prompt.map(String)), '.'];
      const logprobs = tokens.map((_, position) => (position === 0 ? null : STUB_LOGPROB));
      return { index, text: tokens.join(''), finish_reason: 'length', logprobs: { tokens, token_logprobs: logprobs } };
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

/** A flat list of integers is one prompt. */
function promptsIn({ prompt }: CompletionRequest): readonly (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  return prompt.every((part) => typeof part === 'number') ? [prompt] : prompt;
}

// As real tokenizers do, it knows the document separator, which texts are scored after, as one token.
const PIECE = new RegExp(`<\\|endoftext\\|>|.{1,${CHARACTERS_PER_TOKEN}}`, 'gsu');
const tokensOf = (text: string): string[] => text.match(PIECE) ?? [''];

const VOCABULARY = 65_521;
/** The same for the same piece, wherever it stands. */
function idOf(piece: string): number {
  let id = 0;
  for (let index = 0; index < piece.length; index += 1) id = (id * 31 + piece.charCodeAt(index)) % VOCABULARY;
  return id;
}

// Written out once: what the stub does for each request, the brain beside it on the same processor cannot do.
const CHAT_USAGE = { prompt_tokens: 8, completion_tokens: 2, total_tokens: 10 };
const CHAT_ANSWER = JSON.stringify({
  id: 'chatcmpl-stub',
  object: 'chat.completion',
  created: 0,
  model: MODEL,
  choices: [{ index: 0, message: { role: 'assistant', content: CHAT_PIECES.join('') }, finish_reason: 'stop' }],
  usage: CHAT_USAGE,
});
const chatChunk = (choices: readonly object[], more: object = {}): object => ({
  id: 'chatcmpl-stub',
  object: 'chat.completion.chunk',
  created: 0,
  model: MODEL,
  choices,
  ...more,
});
const CHAT_EVENTS: readonly string[] = [
  ...CHAT_PIECES.map((content) => chatChunk([{ index: 0, delta: { content }, finish_reason: null }])),
  chatChunk([{ index: 0, delta: {}, finish_reason: 'stop' }]),
  chatChunk([], { usage: CHAT_USAGE }),
  SSE_DONE,
].map(encodeSseData);

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
  sendJson(response, JSON.stringify(body));
}

function sendJson(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

/** Waits `ms`; `false` if the client has gone away by then. */
async function pause(ms: number, response: ServerResponse): Promise<boolean> {
  if (ms > 0) {
    const gone = new AbortController();
    response.once('close', () => {
      gone.abort();
    });
    await sleep(ms, gone.signal);
  }
  return !response.destroyed;
}
