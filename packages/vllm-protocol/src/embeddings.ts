import { z } from 'zod';
import { promptSchema, truncationShape } from './completions.js';
import { usageSchema } from './usage.js';

/** `POST /v1/embeddings`. The `openai` client asks for `base64` (little-endian float32) unless told otherwise. */
export const embeddingRequestSchema = z.looseObject({
  model: z.string().nullish(),
  input: promptSchema,
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
  user: z.string().nullish(),
  ...truncationShape,
});
export type EmbeddingRequest = z.infer<typeof embeddingRequestSchema>;

export const embeddingResponseSchema = z.looseObject({
  object: z.string(),
  model: z.string(),
  data: z.array(
    z.looseObject({ index: z.int(), object: z.string(), embedding: z.union([z.array(z.number()), z.string()]) }),
  ),
  usage: usageSchema.nullish(),
});
export type EmbeddingResponse = z.infer<typeof embeddingResponseSchema>;
