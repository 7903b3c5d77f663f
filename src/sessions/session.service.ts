import { Inject, Injectable, Logger } from '@nestjs/common';
import { OutageLog } from '../observability/index.js';
import { describeError, withTimeLimit } from '../shared/index.js';
import { SessionStore, type Turn } from './session-store.port.js';
import { sessionSettings, type SessionSettings } from './sessions.settings.js';

export interface SessionStart {
  /** The turns so far, oldest first. */
  readonly turns: readonly Turn[];
  readonly forgetMark: string | undefined;
}

/**
 * Sessions for a chat, which they neither fail nor hold up: past the time limit, or while the store cannot be reached,
 * a chat goes on without its earlier turns. An outage is logged when it begins and when it ends.
 */
@Injectable()
export class SessionService {
  private readonly failures = new OutageLog(new Logger('Sessions'), {
    begins: 'Sessions cannot be used; chats go on without earlier turns',
    ends: 'Sessions are available again',
  });

  constructor(
    private readonly store: SessionStore,
    @Inject(sessionSettings.KEY) private readonly settings: SessionSettings,
  ) {}

  /**
   * What a chat begins with: what was said so far, and the mark of its user. Without either where they cannot be had.
   */
  async begin(userId: string, sessionId: string | undefined): Promise<SessionStart> {
    const start = await this.attempt(async () => {
      // Asked for first: a mark that is newer than the turns would let what was forgotten be written again.
      const mark = this.store.forgetMark(userId);
      const turns = sessionId === undefined ? [] : this.store.turns(userId, sessionId);
      const [forgetMark, before] = await Promise.all([mark, turns]);
      return { forgetMark, turns: before };
    });
    return start ?? { forgetMark: undefined, turns: [] };
  }

  /** Adds nothing where the user was forgotten since the chat began. */
  async append(userId: string, sessionId: string, turns: readonly Turn[], forgetMark?: string): Promise<void> {
    await this.attempt(() => this.store.append(userId, sessionId, turns, forgetMark));
  }

  private async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await withTimeLimit(this.settings.readTimeoutMs, work);
      this.failures.succeeded();
      return result;
    } catch (error) {
      this.failures.failed(describeError(error));
      return undefined;
    }
  }
}
