import type { Memory } from '../memory.js';
import type { MemoryRow } from './redis-memory-replies.js';
import { decodeMemoryBody, encodeMemoryBody } from './stored-memory.js';
import type { DecodedRecord } from './stored-record.js';

/** @param row id and body, and what has been added to its count and seen of it since, where that is anything */
export function decodeMemoryRow(
  userId: string,
  [id, body, repetitions, lastSeenAtMs]: MemoryRow,
): DecodedRecord<Memory> {
  const { record, problem } = decodeMemoryBody(userId, id, body);
  if (!record) return { problem };
  const count = record.count + Number(repetitions ?? 0);
  const seenAtMs = lastSeenAtMs === null ? record.lastSeenAtMs : Math.max(record.lastSeenAtMs, Number(lastSeenAtMs));
  if (Number.isNaN(count + seenAtMs)) return { problem: 'what was added to its count, or its time, is no number' };
  return { record: { ...record, count, lastSeenAtMs: seenAtMs } };
}

/** The body as the memories have it, once the shadow buffer has let go of it. */
export function asPromoted(memory: Memory): string {
  return encodeMemoryBody({ ...memory, source: 'promoted' });
}

/** Little-endian 32-bit floats, as `FP32` has them. */
export function encodeVector(vector: Float32Array): Buffer {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength);
}
