import { addAbortListener } from 'node:events';

export interface SemaphoreOptions {
  /** Most that may wait for a permit; not set: any number. */
  readonly maxWaiting?: number;
}

/** All permits are taken, and as many as may wait for one do. */
export class SemaphoreFullError extends Error {
  override readonly name = 'SemaphoreFullError';

  constructor(permits: number, maxWaiting: number) {
    super(`all ${permits} permits are taken, and ${maxWaiting} wait for one, the most that may`);
  }
}

/** At most `permits` pieces of work at once; others wait for a permit, first come, first served. */
export class Semaphore {
  private readonly maxWaiting: number;
  private readonly queue = new Set<() => void>();
  private taken = 0;

  constructor(
    private readonly permits: number,
    { maxWaiting = Infinity }: SemaphoreOptions = {},
  ) {
    this.maxWaiting = maxWaiting;
  }

  /** How many wait for a permit. */
  get waiting(): number {
    return this.queue.size;
  }

  /** A permit until it is disposed of; disposing of it again has no effect. `undefined` if none is free. */
  tryAcquire(): Disposable | undefined {
    if (this.taken >= this.permits) return undefined;
    this.taken += 1;
    return this.permit();
  }

  /**
   * A permit until it is disposed of, as soon as one is free.
   * @throws SemaphoreFullError at once if too many wait; the reason of `signal` once that is aborted
   */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted();
    const free = this.tryAcquire();
    if (free) return free;
    if (this.queue.size >= this.maxWaiting) throw new SemaphoreFullError(this.permits, this.maxWaiting);
    const { promise, resolve, reject } = Promise.withResolvers<Disposable>();
    // Handed on at the release itself: who asks between release and here would otherwise be served first.
    const grant = (): void => {
      resolve(this.permit());
    };
    this.queue.add(grant);
    const listener =
      signal &&
      addAbortListener(signal, () => {
        // A caller that has its permit already handles the abort itself.
        if (this.queue.delete(grant)) reject(signal.reason as Error);
      });
    try {
      return await promise;
    } finally {
      listener?.[Symbol.dispose]();
    }
  }

  /** The result of `work`, which begins once it has a permit. @throws what {@link acquire} and `work` throw */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const permit = await this.acquire(signal);
    try {
      return await work();
    } finally {
      permit[Symbol.dispose]();
    }
  }

  /**
   * `work` on every item, at most `permits` at a time; the results are in the order of the items. After a failure,
   * which is thrown, no further item is begun.
   */
  async map<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
    const stop = new AbortController();
    const run = async (item: T): Promise<R> => {
      try {
        return await work(item);
      } catch (error) {
        stop.abort(error);
        throw error;
      }
    };
    return Promise.all(items.map((item) => this.run(() => run(item), stop.signal)));
  }

  private permit(): Disposable {
    let isReleased = false;
    return {
      [Symbol.dispose]: () => {
        if (isReleased) return;
        isReleased = true;
        const [next] = this.queue;
        if (next === undefined) this.taken -= 1;
        else {
          this.queue.delete(next);
          next();
        }
      },
    };
  }
}
