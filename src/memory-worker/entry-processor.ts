import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { type Decision, Embedder, type Remembered, RememberService, type ScoredMessage } from '../memory/index.js';
import { BrainError, describeError } from '../shared/index.js';
import { type DeliveredEntry, InputStream, type StreamEntry } from '../stream/index.js';
import { informationOf, PerplexityScorer, type ScoringInput, type TextScore } from '../vorpal/index.js';
import { previewOf } from './preview.js';
import { WorkerStatus } from './worker-status.js';

/** Scores and embeds entries, has it decided what becomes of them, and acknowledges them. */
@Injectable()
export class EntryProcessor {
  private readonly logger = new Logger('MemoryWorker');

  constructor(
    private readonly stream: InputStream,
    private readonly scorer: PerplexityScorer,
    private readonly embedder: Embedder,
    private readonly memory: RememberService,
    private readonly status: WorkerStatus,
    private readonly settings: Settings,
  ) {}

  /**
   * Processes a batch with one scoring and one embedding request. Where that fails because of an entry, each is tried by
   * itself, so that one bad entry does not hold up the others.
   * @throws the error of an outage (Vorpal, store or stream away); entries then remain pending and may be given again
   */
  async process(batch: readonly DeliveredEntry[], signal: AbortSignal): Promise<void> {
    try {
      await this.rememberAndAcknowledge(batch, signal);
    } catch (error) {
      if (isOutage(error) || signal.aborted) throw error;
      if (batch.length > 1) await this.processOneByOne(batch, signal);
      else if (batch[0]) await this.recordFailure(batch[0], error);
    }
  }

  private async processOneByOne(batch: readonly DeliveredEntry[], signal: AbortSignal): Promise<void> {
    for (const delivered of batch) await this.process([delivered], signal);
  }

  private async rememberAndAcknowledge(batch: readonly DeliveredEntry[], signal: AbortSignal): Promise<void> {
    const entries = batch.map(({ entry }) => entry);
    const [scores, vectors] = await Promise.all([
      this.scorer.score(entries.map(toScoringInput), { signal }),
      this.embedder.embed(
        entries.map(({ message }) => message),
        { signal },
      ),
    ]);
    const done: [StreamEntry, TextScore, Remembered][] = [];
    // In their order and one after another: what an entry leaves behind decides how new the next one is.
    for (const [index, entry] of entries.entries()) {
      const [score, vector] = [scores[index], vectors[index]];
      if (!score || !vector) throw new Error(`Entry ${entry.id} has no score or no embedding.`);
      done.push([entry, score, await this.memory.remember(toScoredMessage(entry, score, vector))]);
    }
    await this.stream.acknowledge(batch);
    for (const [entry, score, remembered] of done) this.report(entry, score, remembered);
  }

  private report(entry: StreamEntry, score: TextScore, { decision, outcome }: Remembered): void {
    if (outcome === 'forgotten') {
      this.logger.log('Dropped: its user was forgotten meanwhile');
      return;
    }
    this.status.recordScored({
      id: entry.id,
      user_id: entry.userId,
      session_id: entry.sessionId,
      perplexity: score.perplexity,
      avg_logprob: score.avgLogprob,
      token_count: score.tokenCount,
      model: score.model,
      ...(score.reason !== undefined && { reason: score.reason }),
      novelty: decision.novelty,
      surprise: decision.surprise,
      kept: decision.kept,
      received_at: new Date(entry.timestampMs).toISOString(),
      scored_at: new Date().toISOString(),
    });
    if (this.settings.worker.logMessages) this.logger.log(`Message: ${previewOf(entry.message)}`);
    this.logger.log(
      `Perplexity: ${score.perplexity === null ? `none (${score.reason ?? 'unscorable'})` : score.perplexity.toFixed(2)}`,
    );
    this.logger.log(outcome === 'known' ? 'Decided before: given again after an interruption' : describe(decision));
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

function toScoringInput({ message, context }: StreamEntry): ScoringInput {
  return context === '' ? { text: message } : { text: message, context, alsoPlain: true };
}

function toScoredMessage(entry: StreamEntry, score: TextScore, vector: Float32Array): ScoredMessage {
  const contextual = entry.context !== '';
  return {
    id: entry.id,
    text: entry.message,
    userId: entry.userId,
    sessionId: entry.sessionId,
    role: entry.role,
    receivedAtMs: entry.timestampMs,
    model: score.model,
    perplexity: score.perplexity,
    avgLogprob: score.avgLogprob,
    informationNats: informationOf(score),
    contextual,
    plainPerplexity: contextual ? (score.plain?.perplexity ?? null) : score.perplexity,
    ...(score.reason !== undefined && { unscorable: score.reason }),
    vector,
  };
}

function describe({ kept, reason, novelty, mode }: Decision): string {
  return `${kept ? 'Kept' : 'Not kept'}: ${reason} (novelty ${novelty.toFixed(2)}, mode ${mode})`;
}

/**
 * Whether the failure is the surroundings' and not the entry's: then waiting helps and the entry loses no attempt.
 * What a server answers with 5xx, refuses for a wrong key, or garbles is not the entry's fault either.
 */
export function isOutage(error: unknown): boolean {
  return error instanceof BrainError && (error.transient || error.httpStatus >= 500);
}
