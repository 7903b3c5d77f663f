import { z } from 'zod';
import type { ListPosition } from '../store/memory-store.port.js';

// Beyond it `Date` knows no time.
const MAX_TIME_MS = 8.64e15;

const positionSchema = z.tuple([z.int().min(-MAX_TIME_MS).max(MAX_TIME_MS), z.string().min(1)]);

/** An opaque cursor in a list, which a client gives back. */
export function listCursor({ createdAtMs, id }: ListPosition): string {
  return Buffer.from(JSON.stringify([createdAtMs, id])).toString('base64url');
}

/** `undefined` for a text that {@link listCursor} did not make. */
export function readListCursor(cursor: string): ListPosition | undefined {
  try {
    const read = positionSchema.safeParse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')));
    if (!read.success) return undefined;
    const [createdAtMs, id] = read.data;
    return { createdAtMs, id };
  } catch {
    return undefined;
  }
}
