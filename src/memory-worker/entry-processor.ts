import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { BrainError, describeError } from '../shared/index.js';
import { type DeliveredEntry, InputStream } from '../stream/index.js';
import { PerplexityScorer, type TextScore } from '../vorpal/index.js';
import { previewOf } from './preview.js';
import { WorkerStatus } from './worker-status.js';

/** Scores entries, records the result and acknowledges them. */
@Injectable()
export class EntryProcessor {
  private readonly logger = new Logger('MemoryWorker');

  constructor(
    private readonly stream: InputStream,
    private readonly scorer: PerplexityScorer,
    private readonly status: WorkerStatus,
    private readonly settings: Settings,
  ) {}

  /**
   * Processes a batch in one scoring request. Where that fails because of an entry, each is tried by itself, so that
   * one bad entry does not hold up the others.
   * @throws the error of an outage (Vorpal or stream away); entries then remain pending and may be given again
   */
  async process(batch: readonly DeliveredEntry[], signal: AbortSignal): Promise<void> {
    try {
      await this.scoreAndAcknowledge(batch, signal);
    } catch (error) {
      if (isOutage(error) || signal.aborted) throw error;
      if (batch.length > 1) await this.processOneByOne(batch, signal);
      else if (batch[0]) await this.recordFailure(batch[0], error);
    }
  }

  private async processOneByOne(batch: readonly DeliveredEntry[], signal: AbortSignal): Promise<void> {
    for (const delivered of batch) await this.process([delivered], signal);
  }

  private async scoreAndAcknowledge(batch: readonly DeliveredEntry[], signal: AbortSignal): Promise<void> {
    const scores = await this.scorer.score(
      batch.map(({ entry }) => ({ text: entry.message, context: entry.context === '' ? undefined : entry.context })),
      { signal },
    );
    await this.stream.acknowledge(batch);
    for (const [index, { entry }] of batch.entries()) {
      const score = scores[index];
      if (score) this.record(entry, score);
    }
  }

  private record(entry: DeliveredEntry['entry'], score: TextScore): void {
    this.status.recordScored({
      id: entry.id,
      user_id: entry.userId,
      session_id: entry.sessionId,
      perplexity: score.perplexity,
      avg_logprob: score.avgLogprob,
      token_count: score.tokenCount,
      model: score.model,
      ...(score.reason !== undefined && { reason: score.reason }),
      received_at: new Date(entry.timestampMs).toISOString(),
      scored_at: new Date().toISOString(),
    });
    if (this.settings.worker.logMessages) this.logger.log(`Message: ${previewOf(entry.message)}`);
    this.logger.log(
      `Perplexity: ${score.perplexity === null ? `none (${score.reason ?? 'unscorable'})` : score.perplexity.toFixed(2)}`,
    );
  }

  private async recordFailure(delivered: DeliveredEntry, error: unknown): Promise<void> {
    this.status.recordFailure();
    const { maxAttempts } = this.settings.stream;
    const attempt = `attempt ${delivered.deliveries} of ${maxAttempts}`;
    this.logger.error(
      `Entry ${delivered.entry.id} failed (${attempt}): ${describeError(error)}`,
      error instanceof BrainError || !(error instanceof Error) ? undefined : error.stack,
    );
    if (delivered.deliveries < maxAttempts) return;
    await this.stream.deadLetter(delivered, describeError(error));
    this.logger.error(`Entry ${delivered.entry.id} went to the dead letters`);
  }
}

/**
 * Whether the failure is the surroundings' and not the entry's: then waiting helps and the entry loses no attempt.
 * What a server answers with 5xx, refuses for a wrong key, or garbles is not the entry's fault either.
 */
export function isOutage(error: unknown): boolean {
  return error instanceof BrainError && (error.transient || error.httpStatus >= 500);
}
