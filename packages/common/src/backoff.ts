export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
}

/**
 * Full-jitter exponential backoff: uniform in `[0, min(maxMs, initialMs · 2^attempt)]`.
 *
 * Without the jitter, clients that failed together retry together.
 * Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
 *
 * @param attempt failures so far, from 0
 * @returns milliseconds to wait
 */
export function fullJitterBackoffMs(
  attempt: number,
  { initialMs, maxMs }: BackoffOptions,
  random = Math.random,
): number {
  // 2^30 already exceeds every sensible ceiling; a larger exponent would overflow to Infinity and then NaN.
  return random() * Math.min(maxMs, initialMs * 2 ** Math.min(attempt, 30));
}
