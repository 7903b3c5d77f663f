import { VorpalOverloadedError } from './vorpal.errors.js';

/**
 * Lets so many chats in at once and refuses the others at once: one that waited here would hold a client's connection and
 * its prompt, and be answered after its person had left.
 */
export class ChatSlots {
  private taken = 0;

  constructor(private readonly limit: number) {}

  /** A slot until it is disposed of, once. @throws VorpalOverloadedError if none is free */
  take(): Disposable {
    if (this.taken >= this.limit) {
      throw new VorpalOverloadedError(`Vorpal answers ${this.limit} chats already, the most at once; try again later.`);
    }
    this.taken += 1;
    return {
      [Symbol.dispose]: () => {
        this.taken -= 1;
      },
    };
  }
}
