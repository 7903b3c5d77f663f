import { setImmediate as nextTurn } from 'node:timers/promises';

/** At most so many pieces of work at once; between two, whatever else waits for the event loop gets a turn. */
export class Slots {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free -= 1;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      await nextTurn();
      const next = this.waiting.shift();
      if (next) next();
      else this.free += 1;
    }
  }
}
