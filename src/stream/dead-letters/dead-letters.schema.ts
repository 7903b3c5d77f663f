import { z } from 'zod';
import { previewOf, queryCount } from '../../shared/index.js';
import type { DeadLetter } from './dead-letter-store.port.js';

const DEFAULT_PAGE = 20;
// A page is in memory with all its texts; a larger one of the longest messages would be hundreds of megabytes.
const MAX_PAGE = 100;

/** `GET /dead-letters`. */
export const deadLettersQuerySchema = z.strictObject({
  limit: queryCount(DEFAULT_PAGE, MAX_PAGE),
  cursor: z.string().optional(),
});
export type DeadLettersQuery = z.infer<typeof deadLettersQuerySchema>;

export const deadLetterIdSchema = z.string();

/** `null` for a time that no date has: another program may give an entry of its stream any number. */
function isoOf(timeMs: number | null): string | null {
  const date = new Date(timeMs ?? NaN);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}

const factsOf = ({ handle, entry, fieldNames, error, deliveries, capturedAtMs, deadLetteredAtMs }: DeadLetter) => ({
  id: handle,
  /** `null`, as everything of the entry, where it cannot be decoded. */
  entry_id: entry?.id ?? null,
  user_id: entry?.userId ?? null,
  session_id: entry?.sessionId ?? null,
  role: entry?.role ?? null,
  error,
  deliveries,
  captured_at: isoOf(capturedAtMs),
  dead_lettered_at: isoOf(deadLetteredAtMs),
  fields: fieldNames,
});

/** A dead letter in a list: of its message the beginning only. */
export function toDeadLetterSummary(letter: DeadLetter) {
  return { ...factsOf(letter), preview: letter.entry === null ? null : previewOf(letter.entry.message) };
}

/** A dead letter by itself. */
export function toDeadLetterBody(letter: DeadLetter) {
  const { entry } = letter;
  return {
    ...factsOf(letter),
    message: entry?.message ?? null,
    context: entry?.context ?? null,
    traceparent: entry?.traceparent ?? null,
  };
}
