import type { ServerResponse } from 'node:http';
import {
  chatChunk,
  modelList,
  sendEvents,
  sendJson,
  STUB_MODEL,
  type StubBody,
  type StubVorpal,
} from './stub-vorpal.js';

export interface VorpalWindow {
  readonly windowTokens: number;
  /**
   * `refuses` a prompt whose answer does not fit, as vLLM up to 0.31 does; `clamps` the answer to what is left, as
   * 0.32.
   */
  readonly manner: 'refuses' | 'clamps';
  /** How dense its tokens are: 1 for bytes, about 4 for English. */
  readonly bytesPerToken?: number;
}

type Messages = StubBody['messages'];

const FRAME_TOKENS = 4;
const WORDS = { text: 'Hello.', tokens: 3 };

/** Tokens of a prompt that a window of `bytesPerToken` counts. */
export const promptTokens = (messages: Messages, bytesPerToken = 1): number =>
  messages.reduce((sum, { content }) => sum + Math.ceil(Buffer.byteLength(content) / bytesPerToken) + FRAME_TOKENS, 0);

/** Makes the stub's chats fit a window, with the answers and refusals of real servers. */
export function serveWindow(stub: StubVorpal, { windowTokens, manner, bytesPerToken }: VorpalWindow): void {
  stub.on('/v1/models', (_, response) => {
    sendJson(response, modelList([STUB_MODEL], windowTokens));
  });
  stub.on('/tokenize', ({ body }, response) => {
    const count = promptTokens(body.messages, bytesPerToken);
    sendJson(response, { count, max_model_len: windowTokens, tokens: Array(count).fill(7) });
  });
  stub.on('/v1/chat/completions', ({ body }, response) => {
    const prompt = promptTokens(body.messages, bytesPerToken);
    const room = windowTokens - prompt;
    const wanted = (body.max_tokens as number | undefined) ?? room;
    if (wanted > windowTokens) {
      refuse(response, 'max_tokens', `max_tokens=${wanted} cannot be greater than max_model_len=${windowTokens}.`);
      return;
    }
    if (prompt === windowTokens && manner === 'clamps') {
      refuse(response, 'max_tokens', 'max_tokens must be at least 1, got 0. (parameter=max_tokens, value=0)');
      return;
    }
    if (prompt > windowTokens || (manner === 'refuses' && wanted > room)) {
      refuse(
        response,
        'input_tokens',
        `This model's maximum context length is ${windowTokens} tokens. However, your prompt contains ${prompt} input tokens.`,
      );
      return;
    }
    const isCut = Math.min(wanted, room) < WORDS.tokens;
    const tokens = isCut ? Math.min(wanted, room) : WORDS.tokens;
    const usage = { prompt_tokens: prompt, completion_tokens: tokens, total_tokens: prompt + tokens };
    const text = isCut ? '' : WORDS.text;
    const finish = isCut ? 'length' : 'stop';
    if (body.stream === true) {
      const chunks = [chatChunk(''), chatChunk(text), chatChunk(undefined, finish)];
      sendEvents(response, [...chunks, { ...chatChunk(undefined), choices: [], usage }, '[DONE]']);
    } else {
      const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: finish }];
      sendJson(response, { id: 'c', object: 'chat.completion', created: 0, model: STUB_MODEL, choices, usage });
    }
  });
}

function refuse(response: ServerResponse, param: string, message: string): void {
  sendJson(response, { error: { message, type: 'BadRequestError', param, code: 400 } }, 400);
}
