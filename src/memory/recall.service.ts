import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { ShutdownDeadline } from '../infra/lifecycle/index.js';
import { FailureSpell } from '../observability/index.js';
import { describeError, estimateTokens, withTimeLimit } from '../shared/index.js';
import { Embedder, QUESTION_WINDOWS } from './embedder.js';
import type { FoundMemory } from './memory.js';
import { MemoryStore } from './memory-store.port.js';
import { rankMemories, takeWithinBudget } from './recall-ranking.js';

// Ranked are this many times what is wanted: a recent or surprising memory may pass one that is a little more similar.
const CANDIDATES_PER_RESULT = 4;
// Promotions happen behind the answers; without a bound an embedder that hangs would fill the memory with them.
const MAX_PROMOTIONS_UNDER_WAY = 100;
const PROMOTION_TIMEOUT_MS = 10_000;
// What a memory's date, its quotes and the line around it take of the prompt.
const FRAME_TOKENS = 40;

/** Finds what a user said before that bears on what is said now. */
@Injectable()
export class RecallService implements OnApplicationShutdown {
  private readonly logger = new Logger('Recall');
  private readonly promoting = new Set<Promise<void>>();
  private readonly failures = new FailureSpell(this.logger, {
    begins: 'Chats are answered without memories',
    ends: 'Memories are recalled again',
  });

  constructor(
    private readonly store: MemoryStore,
    private readonly embedder: Embedder,
    private readonly settings: Settings,
    private readonly deadline: ShutdownDeadline,
  ) {}

  /**
   * The best few memories for a message, best first, within the token budget of recall; entries of the shadow buffer that
   * are among them are promoted. `null` where it could not be done, or not in time; never fails.
   */
  async recall(userId: string, message: string, caller?: AbortSignal): Promise<FoundMemory[] | null> {
    const { limit, timeoutMs } = this.settings.recall;
    if (limit === 0) return [];
    try {
      const found = await withTimeLimit(timeoutMs, (signal) => this.find(userId, message, signal), caller);
      this.failures.succeeded();
      for (const { memory, tier } of found) if (tier === 'shadow') this.promoteBehind(userId, memory.id, memory.text);
      return found;
    } catch (error) {
      if (!caller?.aborted) this.failures.failed(describeError(error));
      return null;
    }
  }

  /** Waits for the promotions under way. Embedder and store end after it: their modules are imported by this one's. */
  async onApplicationShutdown(): Promise<void> {
    try {
      await withTimeLimit(this.deadline.remainingMs(), () => Promise.all(this.promoting));
    } catch (error) {
      this.logger.warn(`${this.promoting.size} recalled message(s) stay in the shadow buffer: ${describeError(error)}`);
    }
  }

  private async find(userId: string, message: string, signal: AbortSignal): Promise<FoundMemory[]> {
    const { limit, minSimilarity, maxTokens } = this.settings.recall;
    const [vector] = await this.embedder.embed([message], { maxWindows: QUESTION_WINDOWS, signal });
    if (!vector) return [];
    const options = { limit: limit * CANDIDATES_PER_RESULT, minSimilarity, includeShadow: true };
    const found = await this.store.search(userId, vector, options);
    const ranked = rankMemories(found, this.settings.recall, Date.now());
    return takeWithinBudget(ranked, { limit, maxTokens }, ({ memory }) => FRAME_TOKENS + estimateTokens(memory.text));
  }

  private promoteBehind(userId: string, id: string, text: string): void {
    if (this.promoting.size >= MAX_PROMOTIONS_UNDER_WAY) return;
    const done = this.promote(userId, id, text).finally(() => this.promoting.delete(done));
    this.promoting.add(done);
  }

  private async promote(userId: string, id: string, text: string): Promise<void> {
    try {
      const [vector] = await this.embedder.embed([text], { signal: AbortSignal.timeout(PROMOTION_TIMEOUT_MS) });
      if (vector && (await this.store.promote(userId, id, vector))) this.logger.log(`Promoted ${id}: it was recalled`);
    } catch (error) {
      // It stays in the shadow buffer, and the next recall that finds it tries again.
      this.logger.warn(`Could not promote ${id}: ${describeError(error)}`);
    }
  }
}
