import { createHash } from 'node:crypto';
import type { Memory } from '../memory.js';

const DIGEST_BYTES = 16;

/**
 * What equal texts of one role have in common: 22 characters of base64url. Texts are equal whose Unicode forms, case and
 * white space alone differ (NFKC, as in Unicode's identifier matching, UAX #31 R4).
 */
export function textDigest({ role, text }: Pick<Memory, 'role' | 'text'>): string {
  const folded = text.normalize('NFKC').toLowerCase().normalize('NFKC').replace(/\s+/gu, ' ').trim();
  const hash = createHash('sha256').update(`${role}\n${folded}`).digest();
  return hash.subarray(0, DIGEST_BYTES).toString('base64url');
}
