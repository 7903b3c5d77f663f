import { createHash } from 'node:crypto';
import { stringify } from 'uuid';
import type { Memory } from './memory.js';

/** What makes two memories of a user the same one. */
export interface ContentOfMemory extends Pick<Memory, 'userId' | 'text' | 'role' | 'sessionId'> {
  /** `undefined` where nobody said when it was. */
  readonly createdAtMs: number | undefined;
}

const MAX_TIMESTAMP = 2 ** 48 - 1;
const VERSION_8 = 0x80;
const VARIANT = 0x80;

/**
 * An id that follows from a memory's content, so that the same memory has it however often it is imported: a UUIDv8 (RFC
 * 9562, section 5.8) of the time in milliseconds, for which ids are sorted, and of SHA-256. Without a time it sorts before
 * all others.
 */
export function contentId({ userId, text, role, sessionId, createdAtMs }: ContentOfMemory): string {
  const content = JSON.stringify([userId, role, sessionId, createdAtMs ?? null, text]);
  const bytes = createHash('sha256').update(content).digest().subarray(0, 16);
  bytes.writeUIntBE(Math.min(MAX_TIMESTAMP, Math.max(0, createdAtMs ?? 0)), 0, 6);
  bytes.writeUInt8(VERSION_8 | (bytes.readUInt8(6) & 0x0f), 6);
  bytes.writeUInt8(VARIANT | (bytes.readUInt8(8) & 0x3f), 8);
  return stringify(bytes);
}
