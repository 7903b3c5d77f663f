import { Logger } from '@nestjs/common';
import { describeError } from '../../shared/index.js';
import { ReindexingStore } from '../store/reindexing-store.port.js';
import type { ReindexProgress } from './reindex.service.js';

// Counting them goes over all users; a probe must not do that each time.
const VALID_MS = 60_000;

/** Tells that memories of an earlier version wait for `npm run memories:reindex`: in the log once, and for health. */
export class ReindexNotice {
  private readonly logger = new Logger('Memory');
  private known: ReindexProgress | undefined;
  private isTold = false;
  private lookedAtMs = -Infinity;

  constructor(
    private readonly store: ReindexingStore,
    private readonly nowMs: () => number = () => performance.now(),
  ) {}

  /** What is known by now; counts anew behind it, until all are indexed. */
  get progress(): ReindexProgress | undefined {
    void this.look();
    return this.known;
  }

  /** Never fails. */
  async look(): Promise<void> {
    const isOver = this.known !== undefined && this.known.done >= this.known.total;
    if (isOver || this.nowMs() - this.lookedAtMs < VALID_MS) return;
    this.lookedAtMs = this.nowMs();
    try {
      this.known = await this.store.progress();
      const { done, total } = this.known;
      if (done >= total || this.isTold) return;
      this.isTold = true;
      this.logger.warn(
        `An earlier version wrote ${total - done} of ${total} memories. Search by words may miss them, ` +
          'and they may take more room than new ones; run "npm run memories:reindex"',
      );
    } catch (error) {
      // The store logs its own outages.
      this.logger.debug(`Could not count the memories to index: ${describeError(error)}`);
    }
  }
}
