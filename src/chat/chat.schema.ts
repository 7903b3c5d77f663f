import { z } from 'zod';
import { identifier, optional, spokenText, userId, withDefault } from '../http/index.js';
import { type RecalledMemory, toFoundBody } from '../memory/index.js';
import { isTimeZone } from '../shared/index.js';

const timeZone = z
  .string('must be a string')
  .refine(isTimeZone, 'must be a time zone like Europe/Berlin, or an offset like +02:00');

/** `POST /chat`. */
export const chatRequestSchema = z.strictObject({
  message: spokenText,
  user_id: userId,
  session_id: optional(identifier),
  /** `false`: the message is neither captured nor answered with memories. */
  memory: withDefault(z.boolean('must be true or false'), true),
  /** Of the dates that the model is told; not given: `TIME_ZONE`. */
  timezone: optional(timeZone),
  /** `true`: the answer comes as server-sent events, each a {@link ChatEvent}. */
  stream: withDefault(z.boolean('must be true or false'), false),
});
export type ChatRequest = z.infer<typeof chatRequestSchema>;

export interface ChatResponse {
  readonly response: string;
  readonly engine: 'vorpal';
  readonly model: string;
  readonly session_id: string;
  /** The memories in the model's prompt, best first; `[]` if none fitted, `null` if not all could be searched. */
  readonly memories: readonly RecalledMemoryBody[] | null;
  /** Why the answer ends: `stop`, or `length` if a limit or the window cut it; `null` if the server does not say. */
  readonly finish_reason: string | null;
  readonly usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number } | null;
}

/** A piece of a streamed answer as it is generated, or all of it at the end. */
export type ChatEvent = { readonly type: 'delta'; readonly text: string } | ({ readonly type: 'done' } & ChatResponse);

/** A memory that the model was given. The text is all of it, also where the prompt has a part. */
export type RecalledMemoryBody = ReturnType<typeof toRecalledMemoryBody>;

export function toRecalledMemoryBody(recalled: RecalledMemory) {
  const { id, text, role, created_at, last_seen_at, similarity, score, why, superseded_by } = toFoundBody(recalled);
  const is_current = superseded_by === null;
  return { id, text, role, created_at, last_seen_at, similarity, score, why, is_current, superseded_by };
}
