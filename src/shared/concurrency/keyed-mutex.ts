/** Runs the work of one key in order and one piece at a time; different keys run concurrently. */
export class KeyedMutex {
  private readonly last = new Map<string, Promise<unknown>>();

  /** The result of `work`, once everything queued earlier under `key` has ended. @throws what `work` throws */
  async runExclusive<T>(key: string, work: () => Promise<T>): Promise<T> {
    const previous = this.last.get(key);
    const mine = (async () => {
      await previous;
      return work();
    })();
    // A failure is reported to its own caller only; the next in the queue just needs to know that it has ended.
    const ended = mine.then(
      () => undefined,
      () => undefined,
    );
    this.last.set(key, ended);
    try {
      return await mine;
    } finally {
      if (this.last.get(key) === ended) this.last.delete(key);
    }
  }
}
