import type { Readable } from 'node:stream';
import { TimeLimitError, withTimeLimit } from '../../shared/index.js';
import { RequestTooSlowError } from '../http.errors.js';

/** The slowest pace at which a body may arrive. */
export interface Pace {
  /** How far its bytes may fall behind that pace. */
  readonly graceMs: number;
  readonly minBytesPerSecond: number;
}

/**
 * The bytes of a body of any length, as they are taken. Only the time spent waiting for the client counts: a server
 * that processes them slowly is not the client's fault.
 * @throws RequestTooSlowError if they arrive more slowly than `pace`
 */
export async function* paced(body: Readable, { graceMs, minBytesPerSecond }: Pace): AsyncGenerator<Uint8Array, void> {
  // Destroying the body would close the connection, and the client would not see what was wrong.
  const chunks = body.iterator({ destroyOnReturn: false }) as AsyncIterator<Uint8Array>;
  let leftMs = graceMs;
  for (;;) {
    const askedAt = performance.now();
    const next = await nextWithin(leftMs, chunks, minBytesPerSecond);
    if (next.done === true) return;
    leftMs -= performance.now() - askedAt;
    leftMs = Math.min(graceMs, leftMs + (next.value.length / minBytesPerSecond) * 1_000);
    yield next.value;
  }
}

async function nextWithin(
  limitMs: number,
  chunks: AsyncIterator<Uint8Array>,
  minBytesPerSecond: number,
): Promise<IteratorResult<Uint8Array>> {
  try {
    return await withTimeLimit(Math.max(0, limitMs), () => chunks.next());
  } catch (error) {
    throw error instanceof TimeLimitError ? new RequestTooSlowError(minBytesPerSecond) : error;
  }
}
