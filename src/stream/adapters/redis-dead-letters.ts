import type { DeadLetter } from '../input-stream.port.js';
import { decodeEntry } from '../stored-entry.js';
import type { RawEntry } from './redis-replies.js';

/** What `DEAD_LETTER` writes behind the fields of the entry. */
const LETTER_FIELDS = new Set(['error', 'deliveries', 'dead_lettered_at', 'entry']);
// A number beyond 64 bits is an error to Redis, not an id that does not exist.
const STREAM_ID = /^\d{1,19}-\d{1,19}$/;

/** Whether `handle` has the form of a stream id. */
export function isStreamId(handle: string): boolean {
  return STREAM_ID.test(handle);
}

export function toDeadLetter({ streamId, fields: stored }: RawEntry): DeadLetter {
  const fields = stored ?? {};
  const { entry = null } = decodeEntry(fields);
  const deadLetteredAtMs = Date.parse(fields.dead_lettered_at ?? '');
  return {
    handle: streamId,
    entry,
    fieldNames: Object.keys(fields).filter((name) => !LETTER_FIELDS.has(name)),
    error: fields.error ?? 'no reason was recorded',
    deliveries: Math.trunc(Number(fields.deliveries)) || 0,
    capturedAtMs: entry?.timestampMs ?? timeOf(fields.entry),
    deadLetteredAtMs: Number.isNaN(deadLetteredAtMs) ? timeOf(streamId) : deadLetteredAtMs,
  };
}

function timeOf(streamId: string): number;
function timeOf(streamId: string | undefined): number | null;
/** A stream id begins with the time at which the server made it. */
function timeOf(streamId: string | undefined): number | null {
  return streamId === undefined ? null : Number(streamId.split('-', 1)[0]);
}
