import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { Pool } from 'undici';
import type { ChatCompletionRequest } from '@archive-brain/vllm-protocol';
import type { Answered, ScoreFile } from '../evals/recall/score-file.js';

const CHAT = '/v1/chat/completions';
const SCORING = '/v1/completions';
const ANSWER = JSON.stringify({
  id: 'chatcmpl-stand-in',
  object: 'chat.completion',
  created: 0,
  model: 'stand-in',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Noted.' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 0, completion_tokens: 1, total_tokens: 1 },
});

/** A server in front of a Vorpal that answers chats at once and without a model. Everything else is the Vorpal's. */
export class ChatStandIn {
  /** What the last chat was asked with. */
  lastChat: ChatCompletionRequest | undefined;

  private constructor(
    private readonly server: Server,
    private readonly vorpal: Pool,
    private readonly scoring: Pool,
    private readonly scores: ScoreFile | undefined,
  ) {}

  /**
   * @param urls where scoring goes to another server than the rest, that as well
   * @param scores answers of before, which are not asked for again
   */
  static async start(
    urls: { readonly vorpal: string; readonly scoring?: string },
    scores?: ScoreFile,
  ): Promise<ChatStandIn> {
    const server = createServer();
    // A batch is scored within minutes on a busy machine.
    const limits = { headersTimeout: 0, bodyTimeout: 0 };
    const vorpal = new Pool(urls.vorpal, limits);
    const scoring = urls.scoring === undefined ? vorpal : new Pool(urls.scoring, limits);
    const standIn = new ChatStandIn(server, vorpal, scoring, scores);
    server.on('request', (request, response) => {
      standIn.answer(request, response).catch((error: unknown) => response.writeHead(502).end(String(error)));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return standIn;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.close();
    this.server.closeAllConnections();
    await Promise.all([this.vorpal.destroy(), this.scoring.destroy()]);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(request);
    const path = request.url ?? '/';
    if (path === CHAT) {
      this.lastChat = JSON.parse(body.toString()) as ChatCompletionRequest;
      response.writeHead(200, { 'content-type': 'application/json' }).end(ANSWER);
      return;
    }
    const ask = (asked: Buffer): Promise<Answered> => this.handOn(request, path, asked);
    const isKept = path === SCORING && this.scores !== undefined;
    const answer = await (isKept ? this.scores.answer(body, ask) : ask(body));
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(answer.body);
  }

  private async handOn({ method, headers }: IncomingMessage, path: string, body: Buffer): Promise<Answered> {
    const { authorization } = headers;
    const answer = await (path === SCORING ? this.scoring : this.vorpal).request({
      path,
      method: method === 'POST' ? 'POST' : 'GET',
      headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) },
      ...(body.length > 0 && { body }),
    });
    return { status: answer.statusCode, body: await buffer(answer.body) };
  }
}
