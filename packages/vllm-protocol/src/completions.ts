import { z } from 'zod';
import { usageSchema } from './usage.js';

const tokenIds = z.array(z.int().nonnegative());

/** The four forms of `prompt`; a flat list of integers is ONE prompt. */
export const promptSchema = z.union([
  z.string(),
  tokenIds.min(1),
  z.array(z.string()).min(1),
  z.array(tokenIds).min(1),
]);
export type Prompt = z.infer<typeof promptSchema>;

const streamOptionsSchema = z.object({ include_usage: z.boolean().nullish() }).nullish();

/** Sampling parameters of `/v1/completions` and `/v1/chat/completions`. `null` means "not given", as in vLLM. */
export const samplingShape = {
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().nullish(),
  min_p: z.number().min(0).max(1).nullish(),
  seed: z.int().nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  /** vLLM's own: the answer goes on to `max_tokens`, whatever the model says. */
  ignore_eos: z.boolean().nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  n: z.int().min(1).nullish(),
  stream: z.boolean().nullish(),
  stream_options: streamOptionsSchema,
  user: z.string().nullish(),
} as const;

/** vLLM's own: a prompt that is too long is cut instead of refused. `-1`: to what the window holds. */
export const truncationShape = {
  truncate_prompt_tokens: z.int().min(-1).nullish(),
  /** Where it is cut off. Not given: a prompt at its beginning (`left`), a text to embed at its end. */
  truncation_side: z.enum(['left', 'right']).nullish(),
} as const;
export type TruncationFields = z.infer<z.ZodObject<typeof truncationShape>>;

/** `POST /v1/completions`. Unknown fields are let through, as vLLM does. */
export const completionRequestSchema = z.looseObject({
  model: z.string().nullish(),
  prompt: promptSchema,
  /** `0` with `echo` scores the prompt and drops the generated token; vLLM's default is 16. */
  max_tokens: z.int().min(0).nullish(),
  /** Number of alternatives; `0` means the actual token only. */
  logprobs: z.int().min(0).nullish(),
  echo: z.boolean().nullish(),
  add_special_tokens: z.boolean().nullish(),
  ...truncationShape,
  ...samplingShape,
});
export type CompletionRequest = z.infer<typeof completionRequestSchema>;

/**
 * Four parallel arrays: the prompt's tokens (with `echo`), then the generated ones. The first prompt token has `null`s.
 * `text_offset` counts code points of decoded tokens and is no offset into `text`.
 */
export const completionLogprobsSchema = z.looseObject({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullish(),
  text_offset: z.array(z.int()).nullish(),
});
export type CompletionLogprobs = z.infer<typeof completionLogprobsSchema>;

export const completionChoiceSchema = z.looseObject({
  index: z.int(),
  text: z.string(),
  logprobs: completionLogprobsSchema.nullish(),
  finish_reason: z.string().nullish(),
});
export type CompletionChoice = z.infer<typeof completionChoiceSchema>;

export const completionResponseSchema = z.looseObject({
  id: z.string(),
  object: z.string(),
  created: z.number(),
  model: z.string(),
  choices: z.array(completionChoiceSchema),
  usage: usageSchema.nullish(),
});
export type CompletionResponse = z.infer<typeof completionResponseSchema>;
