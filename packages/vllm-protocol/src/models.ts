import { z } from 'zod';

/** `GET /v1/models`. `max_model_len` is vLLM's extension: prompt plus generated tokens that fit. */
export const modelListSchema = z.looseObject({
  object: z.string(),
  data: z.array(z.looseObject({ id: z.string(), object: z.string(), max_model_len: z.int().positive().nullish() })),
});
export type ModelList = z.infer<typeof modelListSchema>;
