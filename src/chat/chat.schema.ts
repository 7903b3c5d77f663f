import { z } from 'zod';
import { spokenText, wellFormedText } from '../http/index.js';

// Ids become keys of the store; a bound keeps one client from filling it with a single key.
const ID_MAX_CHARACTERS = 256;

const identifier = wellFormedText
  .min(1, 'must not be empty')
  .max(ID_MAX_CHARACTERS, `must have at most ${ID_MAX_CHARACTERS} characters`);

/** `POST /chat`. */
export const chatRequestSchema = z.strictObject({
  message: spokenText,
  user_id: identifier.optional(),
  session_id: identifier.optional(),
});
export type ChatRequest = z.infer<typeof chatRequestSchema>;

export interface ChatResponse {
  readonly response: string;
  readonly engine: 'vorpal';
  readonly model: string;
  readonly session_id: string;
  readonly usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number } | null;
}
