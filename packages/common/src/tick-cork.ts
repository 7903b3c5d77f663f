import type { Writable } from 'node:stream';

/**
 * Holds back what is written to a stream until the current tick of the event loop ends, and writes it in one piece:
 * each piece costs a system call, and the reader another.
 */
export class TickCork {
  private isHeld = false;

  constructor(private readonly stream: Pick<Writable, 'cork' | 'uncork'>) {}

  hold(): void {
    if (this.isHeld) return;
    this.isHeld = true;
    this.stream.cork();
    setImmediate(() => {
      this.release();
    });
  }

  /** Writes what is held back now. */
  release(): void {
    if (!this.isHeld) return;
    this.isHeld = false;
    this.stream.uncork();
  }
}
