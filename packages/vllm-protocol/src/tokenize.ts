import { z } from 'zod';
import { chatMessageSchema } from './chat.js';

/** `POST /tokenize`: a text, or chat messages to which the model's template is applied first. */
export const tokenizeRequestSchema = z.union([
  z.looseObject({
    model: z.string().nullish(),
    prompt: z.string(),
    add_special_tokens: z.boolean().nullish(),
    return_token_strs: z.boolean().nullish(),
  }),
  z.looseObject({
    model: z.string().nullish(),
    messages: z.array(chatMessageSchema).min(1),
    add_generation_prompt: z.boolean().nullish(),
    add_special_tokens: z.boolean().nullish(),
    return_token_strs: z.boolean().nullish(),
  }),
]);
export type TokenizeRequest = z.infer<typeof tokenizeRequestSchema>;

export const tokenizeResponseSchema = z.looseObject({
  count: z.int().nonnegative(),
  max_model_len: z.int().positive(),
  tokens: z.array(z.int().nonnegative()),
  token_strs: z.array(z.string()).nullish(),
});
export type TokenizeResponse = z.infer<typeof tokenizeResponseSchema>;

/** `POST /detokenize`. */
export const detokenizeRequestSchema = z.looseObject({
  model: z.string().nullish(),
  tokens: z.array(z.int().nonnegative()),
});
export type DetokenizeRequest = z.infer<typeof detokenizeRequestSchema>;

export const detokenizeResponseSchema = z.looseObject({ prompt: z.string() });
export type DetokenizeResponse = z.infer<typeof detokenizeResponseSchema>;
