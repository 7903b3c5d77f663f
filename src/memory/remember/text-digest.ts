import { createHash } from 'node:crypto';
import type { Memory } from '../memory.js';

const DIGEST_BYTES = 16;

/**
 * The same 22 characters of base64url for equal texts of one role. Texts are equal if they differ only in Unicode form,
 * case and white space (NFKC, as in Unicode's identifier matching, UAX #31 R4).
 */
export function textDigest({ role, text }: Pick<Memory, 'role' | 'text'>): string {
  const folded = text.normalize('NFKC').toLowerCase().normalize('NFKC').replace(/\s+/gu, ' ').trim();
  const hash = createHash('sha256').update(`${role}\n${folded}`).digest();
  return hash.subarray(0, DIGEST_BYTES).toString('base64url');
}
