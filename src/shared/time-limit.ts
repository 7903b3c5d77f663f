/** Work was not done within its time limit. */
export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError';

  constructor(limitMs: number) {
    super(`not done within ${limitMs} ms`);
  }
}

/**
 * The result of `work`, or {@link TimeLimitError} after `limitMs`, which also aborts the signal that `work` is given. Work
 * that does not heed it goes on, and what becomes of it is dropped. `caller` ends both early, with its own reason.
 */
export async function withTimeLimit<T>(
  limitMs: number,
  work: (signal: AbortSignal) => Promise<T>,
  caller?: AbortSignal,
): Promise<T> {
  const controller = new AbortController();
  const ended = Promise.withResolvers<never>();
  const end = (reason: unknown): void => {
    ended.reject(reason);
    controller.abort(reason);
  };
  const onCallerAbort = (): void => {
    end(caller?.reason);
  };
  const timer = setTimeout(() => {
    end(new TimeLimitError(limitMs));
  }, limitMs);
  caller?.addEventListener('abort', onCallerAbort, { once: true });
  if (caller?.aborted) onCallerAbort();
  try {
    const working = work(controller.signal);
    // Whatever loses the race must not count as a rejection that nobody handles.
    working.catch(() => undefined);
    return await Promise.race([ended.promise, working]);
  } finally {
    clearTimeout(timer);
    caller?.removeEventListener('abort', onCallerAbort);
    ended.promise.catch(() => undefined);
  }
}
