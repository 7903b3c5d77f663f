import { addAbortListener } from 'node:events';

/** Work was not done within its time limit. */
export class TimeLimitError extends Error {
  override readonly name = 'TimeLimitError';

  constructor(limitMs: number) {
    super(`not done within ${limitMs} ms`);
  }
}

/**
 * A time limit that begins now, and that the caller's abort ends as well.
 *
 * `signal` is aborted by whichever comes first, with a {@link TimeLimitError} or the caller's reason; `timedOut` tells
 * them apart where that reason is a time limit, too. `dispose` frees the timer and the listener: the caller's signal
 * may live as long as the process.
 */
export class Deadline {
  private readonly controller = new AbortController();
  private readonly endsAt: number;
  private readonly timer: NodeJS.Timeout;
  private readonly listener: Disposable | undefined;
  private expired = false;

  constructor(
    readonly limitMs: number,
    /** Whose abort ends the work before its time. */
    readonly caller?: AbortSignal,
  ) {
    this.endsAt = performance.now() + limitMs;
    this.timer = setTimeout(() => {
      this.expired = !this.signal.aborted;
      this.controller.abort(new TimeLimitError(limitMs));
    }, limitMs);
    if (caller?.aborted) this.controller.abort(caller.reason);
    else if (caller) {
      this.listener = addAbortListener(caller, () => {
        this.controller.abort(caller.reason);
      });
    }
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  get timedOut(): boolean {
    return this.expired;
  }

  get remainingMs(): number {
    return Math.max(0, this.endsAt - performance.now());
  }

  dispose(): void {
    clearTimeout(this.timer);
    this.listener?.[Symbol.dispose]();
  }
}

/**
 * The result of `work`, or the reason of `signal` as soon as it is aborted. For waits that cannot be cancelled: `work`
 * goes on, and what becomes of it is dropped.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => {
    aborted.reject(signal.reason);
  };
  if (signal.aborted) abort();
  const listener = addAbortListener(signal, abort);
  try {
    return await Promise.race([aborted.promise, work]);
  } finally {
    listener[Symbol.dispose]();
  }
}

/**
 * The result of `work`, or {@link TimeLimitError} after `limitMs`, which also aborts the signal that `work` is given.
 * Work that does not heed it goes on, and what becomes of it is dropped. `caller` ends both early, with its own reason.
 */
export async function withTimeLimit<T>(
  limitMs: number,
  work: (signal: AbortSignal) => Promise<T>,
  caller?: AbortSignal,
): Promise<T> {
  const deadline = new Deadline(limitMs, caller);
  try {
    return await untilAborted(work(deadline.signal), deadline.signal);
  } catch (error) {
    // Work that heeds the signal may be first to fail, with an error of its own.
    deadline.signal.throwIfAborted();
    throw error;
  } finally {
    deadline.dispose();
  }
}
