import { createHash } from 'node:crypto';

/** Of one memory; those before are forgotten. */
export const MAX_COUNTED_IDS = 1_000;
export const COUNTED_ID_BYTES = 8;

/** Short, since there may be many and they only detect repetitions: one of 10¹⁶ pairs has the same digest. */
export const countedIdDigest = (id: string): Buffer =>
  createHash('sha256').update(id).digest().subarray(0, COUNTED_ID_BYTES);
