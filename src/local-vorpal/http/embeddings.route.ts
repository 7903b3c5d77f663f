import type { FastifyInstance } from 'fastify';
import { type EmbeddingRequest, embeddingRequestSchema, type EmbeddingResponse } from '../../vllm-protocol/index.js';
import { type EmbeddingModel, exactNameOf } from '../engine/embedding-model.js';
import { InvalidRequestError } from '../errors.js';
import { assertInVocabulary, listPrompts } from './prompts.js';
import { parseBody } from './request-body.js';
import type { ServerContext } from './server-context.js';

/** `POST /v1/embeddings`: one unit vector a text. */
export function registerEmbeddings(app: FastifyInstance, context: ServerContext): void {
  app.post('/v1/embeddings', async (request, reply) => {
    const startedAt = performance.now();
    const body = parseBody(embeddingRequestSchema, request.body);
    const model = context.models.embeddingFor(body.model);
    const inputs = readInputs(body, model);
    const signal = context.endOf(reply);

    model.assertRoomFor(inputs.length);
    // One text by itself is what a chat recalls with, within a fraction of a second; many at once are the worker's.
    const lane = inputs.length === 1 ? 'interactive' : 'background';
    const embeddings = await Promise.all(inputs.map((input) => model.embed(input, lane, signal)));

    const promptTokens = embeddings.reduce((sum, { tokenCount }) => sum + tokenCount, 0);
    const seconds = (performance.now() - startedAt) / 1000;
    context.metrics.observe(model.id, { promptTokens, completionTokens: 0, seconds });
    return {
      id: context.answerId('embd', request),
      object: 'list',
      // With its build, whose vectors are not interchangeable with another's; clients keep it beside what they store.
      model: exactNameOf(model),
      data: embeddings.map(({ vector }, index) => ({
        object: 'embedding',
        index,
        embedding: body.encoding_format === 'base64' ? toBase64(vector) : [...vector],
      })),
      usage: { prompt_tokens: promptTokens, total_tokens: promptTokens, completion_tokens: 0 },
    } satisfies EmbeddingResponse;
  });
}

/** @throws InvalidRequestError for what cannot be embedded */
function readInputs(body: EmbeddingRequest, model: EmbeddingModel): readonly (string | readonly number[])[] {
  if (body.dimensions != null && body.dimensions !== model.dimensions) {
    throw new InvalidRequestError(
      `The model does not support matryoshka representation; its embeddings have ${model.dimensions} dimensions.`,
      'dimensions',
    );
  }
  const inputs = listPrompts(body.input);
  if (inputs.length > model.queueLimit) {
    throw new InvalidRequestError(
      `${inputs.length} texts in one request are more than may wait here at once (LOCAL_VORPAL_QUEUE, ${model.queueLimit}).`,
      'input',
    );
  }
  for (const input of inputs) {
    if (input.length === 0) throw new InvalidRequestError('input must not be empty.', 'input');
    if (typeof input !== 'string') assertInVocabulary(input, model.vocabularySize);
  }
  return inputs;
}

/** Little-endian float32, whatever the machine's own order. */
function toBase64(vector: Float32Array): string {
  const bytes = Buffer.alloc(vector.length * Float32Array.BYTES_PER_ELEMENT);
  vector.forEach((value, index) => bytes.writeFloatLE(value, index * Float32Array.BYTES_PER_ELEMENT));
  return bytes.toString('base64');
}
