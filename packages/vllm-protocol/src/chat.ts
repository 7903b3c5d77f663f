import { z } from 'zod';
import { samplingShape, truncationShape } from './completions.js';
import { usageSchema } from './usage.js';

const textPartSchema = z.looseObject({ type: z.literal('text'), text: z.string() });

export const chatMessageSchema = z.looseObject({
  role: z.string().min(1),
  content: z.union([z.string(), z.array(textPartSchema)]).nullish(),
});
export type ChatMessage = z.infer<typeof chatMessageSchema>;

/** `POST /v1/chat/completions`. Unknown fields are let through, as vLLM does. */
export const chatCompletionRequestSchema = z.looseObject({
  model: z.string().nullish(),
  messages: z.array(chatMessageSchema).min(1),
  max_tokens: z.int().min(1).nullish(),
  max_completion_tokens: z.int().min(1).nullish(),
  ...truncationShape,
  ...samplingShape,
});
export type ChatCompletionRequest = z.infer<typeof chatCompletionRequestSchema>;

export const chatCompletionResponseSchema = z.looseObject({
  id: z.string(),
  object: z.string(),
  created: z.number(),
  model: z.string(),
  choices: z
    .array(
      z.looseObject({
        index: z.int(),
        message: z.looseObject({ role: z.string(), content: z.string().nullish() }),
        finish_reason: z.string().nullish(),
      }),
    )
    .min(1),
  usage: usageSchema.nullish(),
});
export type ChatCompletionResponse = z.infer<typeof chatCompletionResponseSchema>;

/** One `data:` payload of a streamed chat. The last one may carry `usage` and no choices. */
export const chatCompletionChunkSchema = z.looseObject({
  id: z.string(),
  object: z.string(),
  created: z.number(),
  model: z.string(),
  choices: z.array(
    z.looseObject({
      index: z.int(),
      delta: z.looseObject({ role: z.string().nullish(), content: z.string().nullish() }),
      finish_reason: z.string().nullish(),
    }),
  ),
  usage: usageSchema.nullish(),
});
export type ChatCompletionChunk = z.infer<typeof chatCompletionChunkSchema>;
