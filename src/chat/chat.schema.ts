import { z } from 'zod';
import { identifier, optional, spokenText, userId, withDefault } from '../http/index.js';

/** `POST /chat`. */
export const chatRequestSchema = z.strictObject({
  message: spokenText,
  user_id: userId,
  session_id: optional(identifier),
  /** `false`: the message is neither captured nor answered with memories. */
  memory: withDefault(z.boolean('must be true or false'), true),
  /** `true`: the answer comes as server-sent events, each a {@link ChatEvent}. */
  stream: withDefault(z.boolean('must be true or false'), false),
});
export type ChatRequest = z.infer<typeof chatRequestSchema>;

export interface ChatResponse {
  readonly response: string;
  readonly engine: 'vorpal';
  readonly model: string;
  readonly session_id: string;
  /** The memories that the model was given, best first; `[]` where none fitted, `null` where none could be recalled. */
  readonly memories: readonly RecalledMemory[] | null;
  /** Why the answer ends: `stop`, or `length` where a limit or the window cut it; `null` where the server does not say. */
  readonly finish_reason: string | null;
  readonly usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number } | null;
}

/** A piece of a streamed answer as it is generated, or all of it at the end. */
export type ChatEvent = { readonly type: 'delta'; readonly text: string } | ({ readonly type: 'done' } & ChatResponse);

export interface RecalledMemory {
  readonly id: string;
  readonly text: string;
  /** Cosine similarity to the message. */
  readonly similarity: number;
}
