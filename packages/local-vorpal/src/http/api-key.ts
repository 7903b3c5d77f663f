import { createHash, timingSafeEqual } from 'node:crypto';

/** Compares in a time that does not depend on how much of the key is right, nor on its length. */
export function isBearerToken(authorization: string | undefined, apiKey: string): boolean {
  const given = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1] ?? '';
  return timingSafeEqual(digest(given), digest(apiKey));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
