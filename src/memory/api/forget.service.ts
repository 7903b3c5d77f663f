import { Injectable } from '@nestjs/common';
import { newId, Semaphore, SemaphoreFullError } from '../../shared/index.js';
import { SessionStore } from '../../sessions/index.js';
import { InputStream } from '../../stream/index.js';
import { ForgetBusyError } from '../memory.errors.js';
import { MemoryStore } from '../store/memory-store.port.js';

// To forget a user with many memories keeps the store busy. With more users at once, chats would wait for the store.
const MAX_CONCURRENT = 4;
// Each waits with an open request. Clients of a longer queue would have left before their turn.
const MAX_WAITING = 64;

export interface Forgotten {
  readonly memories: number;
  readonly sessions: number;
  /** Stream entries that were waiting, being processed, or dead letters. */
  readonly entries: number;
}

/** Forgets users, a few at a time. */
@Injectable()
export class ForgetService {
  private readonly semaphore = new Semaphore(MAX_CONCURRENT, { maxWaiting: MAX_WAITING });

  constructor(
    private readonly store: MemoryStore,
    private readonly sessions: SessionStore,
    private readonly stream: InputStream,
  ) {}

  /**
   * Removes everything of a user: stream entries first, so that none becomes a memory afterwards. A chat in progress
   * and an entry that a worker is processing carry an older forget mark, so the store refuses them. May be repeated
   * after a failure.
   * @throws ForgetBusyError at once if too many wait already; what the stores throw
   */
  async forget(userId: string): Promise<Forgotten> {
    try {
      return await this.semaphore.run(async () => {
        const mark = newId();
        const entries = await this.stream.forget(userId);
        const sessions = await this.sessions.forget(userId, mark);
        const memories = await this.store.forget(userId, mark);
        return { memories, sessions, entries };
      });
    } catch (error) {
      throw error instanceof SemaphoreFullError ? new ForgetBusyError() : error;
    }
  }
}
