import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { type Decision, Embedder, type Remembered, RememberService, type ScoredMessage } from '../memory/index.js';
import { BrainError, describeError, previewOf } from '../shared/index.js';
import { type DeliveredEntry, InputStream, type StreamEntry } from '../stream/index.js';
import { informationOf, PerplexityScorer, type ScoringInput, type TextScore } from '../vorpal/index.js';
import type { BatchFigures } from './batch-limiter.js';
import { Slots } from './slots.js';
import { Turns } from './turns.js';
import { WorkerStatus } from './worker-status.js';

// SQLite works on the event loop: what several batches have to write at once would hold up chats as one piece (744 ms at the
// 99th percentile where this was measured). Redis is waited for; this many keep it busy.
const REMEMBERED_AT_ONCE = { sqlite: 1, redis: 64 };

interface ScoredStreamEntry {
  readonly entry: StreamEntry;
  readonly score: TextScore;
  readonly vector: Float32Array;
}

/** Scores and embeds entries, has it decided what becomes of them, and acknowledges them. */
@Injectable()
export class EntryProcessor {
  private readonly logger = new Logger('MemoryWorker');
  /** By user. Two batches may be in flight, and what one message leaves behind decides how new the next one is. */
  private readonly turns = new Turns();
  private readonly slots: Slots;

  constructor(
    private readonly stream: InputStream,
    private readonly scorer: PerplexityScorer,
    private readonly embedder: Embedder,
    private readonly memory: RememberService,
    private readonly status: WorkerStatus,
    private readonly settings: Settings,
  ) {
    this.slots = new Slots(
      settings.stream.redisUrl === undefined ? REMEMBERED_AT_ONCE.sqlite : REMEMBERED_AT_ONCE.redis,
    );
  }

  /**
   * Processes a batch with one scoring and one embedding request. Where that fails because of an entry, each is tried by
   * itself, so that one bad entry does not hold up the others.
   * @returns what the requests took, where one of each did for the whole batch
   * @throws the error of an outage (Vorpal, store or stream away); entries then remain pending and may be given again
   */
  async process(batch: readonly DeliveredEntry[], signal: AbortSignal): Promise<BatchFigures | undefined> {
    try {
      return await this.rememberAndAcknowledge(batch, signal);
    } catch (error) {
      if (isOutage(error) || signal.aborted) throw error;
      if (batch.length > 1) await this.processOneByOne(batch, signal);
      else if (batch[0]) await this.recordFailure(batch[0], error);
      return undefined;
    }
  }

  private async processOneByOne(batch: readonly DeliveredEntry[], signal: AbortSignal): Promise<void> {
    for (const delivered of batch) await this.process([delivered], signal);
  }

  private async rememberAndAcknowledge(batch: readonly DeliveredEntry[], signal: AbortSignal): Promise<BatchFigures> {
    const entries = batch.map(({ entry }) => entry);
    const startedAt = performance.now();
    const [scores, vectors] = await Promise.all([
      this.scorer.score(entries.map(toScoringInput), { signal }),
      this.embedder.embed(
        entries.map(({ message }) => message),
        { signal },
      ),
    ]);
    const latencyMs = performance.now() - startedAt;
    const done = await this.rememberAll(
      entries.map((entry, index) => {
        const [score, vector] = [scores[index], vectors[index]];
        if (!score || !vector) throw new Error(`Entry ${entry.id} has no score or no embedding.`);
        return { entry, score, vector };
      }),
      signal,
    );
    await this.stream.acknowledge(batch);
    for (const [scored, remembered] of done) this.report(scored, remembered);
    return { latencyMs, size: charactersIn(entries) };
  }

  /** Those of one user in their order and one after another, those of several users side by side. */
  private async rememberAll(
    batch: readonly ScoredStreamEntry[],
    signal: AbortSignal,
  ): Promise<[ScoredStreamEntry, Remembered][]> {
    const byUser = Map.groupBy(batch, ({ entry }) => entry.userId);
    const outcomes = await Promise.allSettled(
      [...byUser].map(([userId, own]) =>
        this.turns.take(userId, async () => {
          const done: [ScoredStreamEntry, Remembered][] = [];
          for (const scored of own) {
            const remembered = await this.slots.run(async () => {
              signal.throwIfAborted();
              return this.memory.remember(toScoredMessage(scored));
            });
            done.push([scored, remembered]);
          }
          return done;
        }),
      ),
    );
    // All have ended: none of them is still at work when the batch is tried again.
    return outcomes.flatMap((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  private report({ entry, score }: ScoredStreamEntry, { decision, outcome }: Remembered): void {
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

const charactersIn = (entries: readonly StreamEntry[]): number =>
  entries.reduce((sum, { message, context }) => sum + message.length + context.length, 0);

function toScoringInput({ message, context }: StreamEntry): ScoringInput {
  return context === '' ? { text: message } : { text: message, context, alsoPlain: true };
}

function toScoredMessage({ entry, score, vector }: ScoredStreamEntry): ScoredMessage {
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
