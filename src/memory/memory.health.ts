import { Injectable } from '@nestjs/common';
import { HealthIndicatorService } from '@nestjs/terminus';
import { describeError } from '../shared/index.js';
import { SessionStore } from '../sessions/index.js';
import { MemoryStore } from './store/memory-store.port.js';
import { ReindexNotice } from './maintenance/reindex-notice.js';

// A probe must be answered before its own time-out; Kubernetes gives one second unless told otherwise.
const CHECK_TIMEOUT_MS = 900;

@Injectable()
export class MemoryHealth {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly store: MemoryStore,
    private readonly sessions: SessionStore,
    private readonly notice: ReindexNotice,
  ) {}

  /** At the start, so that the log tells which steps an upgrade needs. */
  async begin(): Promise<void> {
    await this.notice.look();
  }

  /** Up if a memory could be written now. Details: the embedding model of the memories, and the unreadable records. */
  check() {
    return this.indicators
      .check('memory')
      .attempt(async () => {
        const { current, next } = await this.explaining(async () => {
          await this.store.check();
          return this.store.spaces();
        });
        return {
          embedding_model: current?.model ?? null,
          dimensions: current?.dimensions ?? null,
          ...(next && { reembedding_to: next.model }),
          ...this.unindexed(),
          ...this.undecodable(),
        };
      })
      .withTimeout(CHECK_TIMEOUT_MS);
  }

  private unindexed() {
    const { done, total } = this.notice.progress ?? { done: 0, total: 0 };
    return done < total && { unindexed_memories: total - done, unindexed_remedy: 'npm run memories:reindex' };
  }

  private undecodable() {
    const stores = [this.store.undecodable, this.sessions.undecodable];
    const count = stores.reduce((sum, records) => sum + records.count, 0);
    const last = stores.map((records) => records.last).find((name) => name !== undefined);
    return { undecodable_records: count, ...(last !== undefined && { last_undecodable: last }) };
  }

  /** The indicator shows an error's message alone; the operator needs its cause. */
  private async explaining<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new Error(describeError(error), { cause: error });
    }
  }
}
