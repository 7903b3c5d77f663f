import type { FastifyInstance } from 'fastify';
import { type EmbeddingRequest, embeddingRequestSchema, type EmbeddingResponse } from '@archive-brain/vllm-protocol';
import { type EmbeddingModel, exactNameOf } from '../../engine/embedding/embedding-model.js';
import type { Truncation } from '../../engine/embedding/truncation.js';
import { InvalidRequestError } from '../../errors.js';
import { assertInVocabulary, assertLength, listPrompts, readableTokens } from '../prompts.js';
import { parseBody } from '../request-body.js';
import type { ServerContext } from '../server-context.js';
import { readTruncation } from '../truncation.js';

/**
 * A recall embeds one text, or the parts of a long one, and a chat waits for it. Requests with more are the worker's.
 */
const INTERACTIVE_TEXTS = 3;

/** `POST /v1/embeddings`: one unit vector a text. */
export function registerEmbeddings(app: FastifyInstance, context: ServerContext): void {
  app.post('/v1/embeddings', async (request, reply) => {
    const startedAt = performance.now();
    const body = parseBody(embeddingRequestSchema, request.body);
    const model = context.models.embeddingFor(body.model);
    const inputs = readInputs(body, model);
    const signal = context.endOf(reply);

    model.assertRoomFor(inputs.length);
    const lane = inputs.length <= INTERACTIVE_TEXTS ? 'interactive' : 'background';
    const vectors = await Promise.all(inputs.map((tokens) => model.embed(tokens, lane, signal)));

    const promptTokens = inputs.reduce((sum, { length }) => sum + length, 0);
    const seconds = (performance.now() - startedAt) / 1000;
    context.metrics.observe(model.id, { promptTokens, completionTokens: 0, seconds });
    return {
      id: context.answerId('embd', request),
      object: 'list',
      // With its build, whose vectors are not interchangeable with another's; clients keep it beside what they store.
      model: exactNameOf(model),
      data: vectors.map((vector, index) => ({
        object: 'embedding',
        index,
        embedding: body.encoding_format === 'base64' ? toBase64(vector) : [...vector],
      })),
      usage: { prompt_tokens: promptTokens, total_tokens: promptTokens, completion_tokens: 0 },
    } satisfies EmbeddingResponse;
  });
}

/** @throws InvalidRequestError for what cannot be embedded */
function readInputs(body: EmbeddingRequest, model: EmbeddingModel): (readonly number[])[] {
  if (body.dimensions != null && body.dimensions !== model.dimensions) {
    throw new InvalidRequestError(
      `The model does not support matryoshka representation; its embeddings have ${model.dimensions} dimensions.`,
      'dimensions',
    );
  }
  const inputs = listPrompts(body.input);
  if (inputs.length > model.queueLimit) {
    throw new InvalidRequestError(
      `${inputs.length} texts in one request are more than the queue holds ` +
        `(LOCAL_VORPAL_QUEUE, ${model.queueLimit}). Send fewer texts.`,
      'input',
    );
  }
  const { windowTokens } = model;
  const truncation = readTruncation(body, { windowTokens, mostTokens: windowTokens, defaultSide: 'right' });
  return inputs.map((input) => {
    if (input.length === 0) throw new InvalidRequestError('input must not be empty.', 'input');
    if (typeof input === 'string') return readableTokens(model, tokensOf(model, input, truncation), undefined);
    assertInVocabulary(input, model.vocabularySize);
    return readableTokens(model, input, truncation);
  });
}

function tokensOf(model: EmbeddingModel, input: string, truncation: Truncation | undefined): readonly number[] {
  // To the model any blanks are one; drawn together they cost the tokenizer nothing.
  const text = input.toWellFormed().replaceAll(/\s+/g, ' ');
  if (!truncation) assertLength(text, model.maxCharacters, model.windowTokens);
  return model.tokenize(text, truncation);
}

/** Little-endian float32, whatever the machine's own order. */
function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * Float32Array.BYTES_PER_ELEMENT);
  vector.forEach((value, index) => bytes.writeFloatLE(value, index * Float32Array.BYTES_PER_ELEMENT));
  return bytes.toString('base64');
}
