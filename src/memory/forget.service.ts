import { Injectable } from '@nestjs/common';
import { newId } from '../shared/index.js';
import { SessionStore } from '../sessions/index.js';
import { InputStream } from '../stream/index.js';
import { ForgetBusyError } from './memory.errors.js';
import { MemoryStore } from './memory-store.port.js';

// A user with many memories keeps the store busy for a while; with more of them at once chats would wait behind these.
const MAX_AT_ONCE = 4;
// Each waits with an open request, whose client would have given up by the time that it is its turn.
const MAX_WAITING = 64;

export interface Forgotten {
  readonly memories: number;
  readonly sessions: number;
  /** Stream entries that were waiting, in work or dead. */
  readonly entries: number;
}

/** Forgets users, a few at a time. */
@Injectable()
export class ForgetService {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly store: MemoryStore,
    private readonly sessions: SessionStore,
    private readonly stream: InputStream,
  ) {}

  /**
   * Everything of a user: what waits in the stream first, so that nothing of it becomes a memory afterwards. A chat under
   * way, and a message that a worker has in hand, carry the mark from before and are not written any more. May be repeated
   * after a failure.
   * @throws ForgetBusyError at once where too many wait already; what the stores throw
   */
  async forget(userId: string): Promise<Forgotten> {
    await this.enter();
    try {
      const mark = newId();
      const entries = await this.stream.forget(userId);
      const sessions = await this.sessions.forget(userId, mark);
      const memories = await this.store.forget(userId, mark);
      return { memories, sessions, entries };
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.running -= 1;
    }
  }

  private async enter(): Promise<void> {
    if (this.running < MAX_AT_ONCE) {
      this.running += 1;
      return;
    }
    if (this.waiting.length >= MAX_WAITING) throw new ForgetBusyError();
    await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}
