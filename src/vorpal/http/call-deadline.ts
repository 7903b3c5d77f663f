import { addAbortListener } from 'node:events';

/** The caller gave the call up. Not a failure of the server; `isAbortError` recognises it. */
export class CallAbortedError extends Error {
  constructor() {
    super('The call to Vorpal was aborted by its caller.');
    this.name = 'AbortError';
  }
}

/**
 * The time limit of one call, attempts and pauses included, which the caller's abort ends as well.
 *
 * `signal` is aborted by whichever comes first; `timedOut` tells them apart. `dispose` frees the timer and the listener:
 * the caller's signal may live as long as the process.
 */
export class CallDeadline {
  private readonly controller = new AbortController();
  private readonly endsAt: number;
  private readonly timer: NodeJS.Timeout;
  private readonly listener: Disposable | undefined;
  private expired = false;

  constructor(
    readonly timeoutMs: number,
    /** Whose abort ends the call before its time. */
    readonly caller?: AbortSignal,
  ) {
    this.endsAt = performance.now() + timeoutMs;
    this.timer = setTimeout(() => {
      this.expired = true;
      this.controller.abort();
    }, timeoutMs);
    if (caller?.aborted) this.controller.abort();
    else if (caller)
      this.listener = addAbortListener(caller, () => {
        this.controller.abort();
      });
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
 * The result of `work`, or {@link CallAbortedError} as soon as `signal` is aborted. For waits that cannot be cancelled:
 * `work` goes on, and what becomes of it is dropped.
 */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  const aborted = Promise.withResolvers<never>();
  if (signal.aborted) aborted.reject(new CallAbortedError());
  const listener = addAbortListener(signal, () => {
    aborted.reject(new CallAbortedError());
  });
  try {
    return await Promise.race([aborted.promise, work]);
  } finally {
    listener[Symbol.dispose]();
  }
}
