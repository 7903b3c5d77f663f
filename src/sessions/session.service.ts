import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { FailureSpell } from '../observability/index.js';
import { describeError, withTimeLimit } from '../shared/index.js';
import { SessionStore, type Turn } from './session-store.port.js';

/**
 * Sessions for a chat, which they neither fail nor hold up: past the time limit, or with the store away, a chat goes on
 * without its earlier turns. An outage is logged when it begins and when it ends.
 */
@Injectable()
export class SessionService {
  private readonly failures = new FailureSpell(new Logger('Sessions'), {
    begins: 'Chats go on without their earlier turns',
    ends: 'Sessions are back',
  });

  constructor(
    private readonly store: SessionStore,
    private readonly settings: Settings,
  ) {}

  /** The turns so far, oldest first; `[]` as well where they cannot be had. */
  async turns(userId: string, sessionId: string): Promise<readonly Turn[]> {
    return (await this.attempt(() => this.store.turns(userId, sessionId))) ?? [];
  }

  async append(userId: string, sessionId: string, turns: readonly Turn[]): Promise<void> {
    await this.attempt(() => this.store.append(userId, sessionId, turns));
  }

  private async attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      const result = await withTimeLimit(this.settings.sessions.readTimeoutMs, work);
      this.failures.succeeded();
      return result;
    } catch (error) {
      this.failures.failed(describeError(error));
      return undefined;
    }
  }
}
