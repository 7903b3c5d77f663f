import type { FastifyInstance } from 'fastify';
import {
  detokenizeRequestSchema,
  type DetokenizeResponse,
  type TokenizeRequest,
  tokenizeRequestSchema,
  type TokenizeResponse,
} from '@archive-brain/vllm-protocol';
import type { LanguageModel } from '../../engine/language-model.js';
import { InvalidRequestError } from '../../errors.js';
import { assertInVocabulary } from '../prompts.js';
import { parseBody, readTurns } from '../request-body.js';
import type { ServerContext } from '../server-context.js';

/** `POST /tokenize` and `POST /detokenize`: text to token ids and back. */
export function registerTokenize(app: FastifyInstance, { models }: ServerContext): void {
  app.post('/tokenize', (request): TokenizeResponse => {
    const body = parseBody(tokenizeRequestSchema, request.body);
    const model = models.languageFor(body.model, 'Tokenize API');
    const tokens = tokenize(body, model);
    return {
      count: tokens.length,
      max_model_len: model.windowTokens,
      tokens,
      token_strs: body.return_token_strs === true ? tokens.map((token) => model.pieceOf(token)) : null,
    };
  });

  app.post('/detokenize', (request): DetokenizeResponse => {
    const body = parseBody(detokenizeRequestSchema, request.body);
    const model = models.languageFor(body.model, 'Detokenize API');
    assertInVocabulary(body.tokens, model.vocabularySize);
    return { prompt: model.detokenize(body.tokens, []) };
  });
}

function tokenize(body: TokenizeRequest, model: LanguageModel): number[] {
  if (typeof body.prompt === 'string') {
    assertTokenizable(body.prompt);
    return model.tokenize(body.prompt.toWellFormed(), body.add_special_tokens !== false);
  }
  const { messages, add_generation_prompt: withOpening } = body as Extract<TokenizeRequest, { messages: unknown }>;
  if (withOpening === false) {
    throw new InvalidRequestError('add_generation_prompt must be true here.', 'add_generation_prompt');
  }
  const turns = readTurns(messages);
  assertTokenizable(turns.map(({ text }) => text).join(''));
  return model.renderChat(turns);
}

/** A text of a megabyte takes the tokenizer about a second, in which nothing else is answered. */
const MAX_CHARACTERS = 1_048_576;

function assertTokenizable(text: string): void {
  if (text.length <= MAX_CHARACTERS) return;
  throw new InvalidRequestError(`The text is longer than ${MAX_CHARACTERS} characters. Send it in parts.`, 'prompt');
}
