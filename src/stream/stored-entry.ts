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

const entryCodec = z.codec(storedEntrySchema, z.custom<StreamEntry>(), {
  decode: ({ timestamp, user_id: userId, session_id: sessionId, forget_mark: forgetMark, ...same }) => ({
    ...same,
    timestampMs: Date.parse(timestamp),
    userId,
    sessionId,
    ...(forgetMark !== undefined && { forgetMark }),
  }),
  encode: ({ timestampMs, userId, sessionId, forgetMark, ...same }) => ({
    ...same,
    timestamp: new Date(timestampMs).toISOString(),
    user_id: userId,
    session_id: sessionId,
    ...(forgetMark !== undefined && { forget_mark: forgetMark }),
  }),
});

/** @throws ZodError for an entry that could not be decoded again */
export function encodeEntry(entry: StreamEntry): StoredEntry {
  return z.encode(entryCodec, entry);
}

export type Decoded =
  | { readonly entry: StreamEntry; readonly problem?: undefined }
  | { readonly entry?: undefined; readonly problem: string };

/** The entry in `fields`, or what is wrong with them (names of fields, never their content). */
export function decodeEntry(fields: unknown): Decoded {
  const { success, data, error } = entryCodec.safeParse(fields);
  return success ? { entry: data } : { problem: `not an entry: ${error.issues.map(describeIssue).join('; ')}` };
}

function describeIssue(issue: z.core.$ZodIssue): string {
  return `${issue.path.join('.')}: ${issue.message}`;
}
