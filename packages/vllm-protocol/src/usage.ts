import { z } from 'zod';

/** Token counts of one HTTP request, summed over its prompts. `prompt_tokens` includes a BOS the server added. */
export const usageSchema = z.looseObject({
  prompt_tokens: z.int(),
  total_tokens: z.int(),
  completion_tokens: z.int().nullish(),
});
export type Usage = z.infer<typeof usageSchema>;
