import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { RequestTooSlowError } from './http.errors.js';

/** How slow a body may come. */
export interface Pace {
  /** Most that is waited for bytes beyond what their number allows. */
  readonly graceMs: number;
  readonly minBytesPerSecond: number;
}

const LATE = Symbol('LATE');

/**
 * The bytes of a body that has no bound in length, as they are taken. Only the time that is spent waiting for the client
 * counts: a server that is slow to work on them is not the client's fault.
 * @throws RequestTooSlowError where they come slower than `pace`
 */
export async function* paced(body: Readable, { graceMs, minBytesPerSecond }: Pace): AsyncGenerator<Uint8Array, void> {
  // Destroyed, the body would take the connection with it, and the answer that says what was wrong.
  const chunks = body.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  let leftMs = graceMs;
  for (;;) {
    const askedAt = performance.now();
    const next = await within(leftMs, chunks.next());
    if (next === LATE) throw new RequestTooSlowError(minBytesPerSecond);
    if (next.done === true) return;
    leftMs -= performance.now() - askedAt;
    leftMs = Math.min(graceMs, leftMs + (next.value.length / minBytesPerSecond) * 1_000);
    yield next.value;
  }
}

async function within<T>(limitMs: number, promise: Promise<T>): Promise<T | typeof LATE> {
  const over = new AbortController();
  const late = delay(Math.max(0, limitMs), LATE, { signal: over.signal }).catch((): typeof LATE => LATE);
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}
