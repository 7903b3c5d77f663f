import { z } from 'zod';
import type { StreamEntry } from './input-stream.port.js';

/**
 * An entry as both stores keep it: text under snake-case names, for other programs and for people to read.
 * `timestamp` is ISO 8601 in UTC with milliseconds.
 */
const storedEntrySchema = z.object({
  id: z.string().min(1),
  message: z.string(),
  timestamp: z.iso.datetime(),
  user_id: z.string().min(1),
  session_id: z.string(),
  role: z.enum(['user', 'assistant']),
  context: z.string(),
  traceparent: z.string().optional(),
  forget_mark: z.string().optional(),
});

export type StoredEntry = z.output<typeof storedEntrySchema>;

export const STORED_FIELDS = Object.keys(storedEntrySchema.shape) as (keyof StoredEntry)[];

export function encodeEntry(entry: StreamEntry): StoredEntry {
  return {
    id: entry.id,
    message: entry.message,
    timestamp: new Date(entry.timestampMs).toISOString(),
    user_id: entry.userId,
    session_id: entry.sessionId,
    role: entry.role,
    context: entry.context,
    ...(entry.traceparent !== undefined && { traceparent: entry.traceparent }),
    ...(entry.forgetMark !== undefined && { forget_mark: entry.forgetMark }),
  };
}

export type Decoded =
  | { readonly entry: StreamEntry; readonly problem?: undefined }
  | { readonly entry?: undefined; readonly problem: string };

/** The entry in `fields`, or what is wrong with them (names of fields, never their content). */
export function decodeEntry(fields: unknown): Decoded {
  const { success, data, error } = storedEntrySchema.safeParse(fields);
  if (!success) return { problem: `not an entry: ${error.issues.map(describeIssue).join('; ')}` };
  return {
    entry: {
      id: data.id,
      message: data.message,
      timestampMs: Date.parse(data.timestamp),
      userId: data.user_id,
      sessionId: data.session_id,
      role: data.role,
      context: data.context,
      ...(data.traceparent !== undefined && { traceparent: data.traceparent }),
      ...(data.forget_mark !== undefined && { forgetMark: data.forget_mark }),
    },
  };
}

function describeIssue(issue: z.core.$ZodIssue): string {
  return `${issue.path.join('.')}: ${issue.message}`;
}
