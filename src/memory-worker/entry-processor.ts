import { Injectable, Logger } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { Embedder, type Remembered, RememberService, type ScoredMessage } from '../memory/index.js';
import { BrainError, describeError, previewOf } from '../shared/index.js';
import { type DeliveredEntry, InputStream, type StreamEntry } from '../stream/index.js';
import { informationOf, PerplexityScorer, type ScoringInput, type TextScore } from '../vorpal/index.js';
import { ControlRequest } from './control-request.js';
import { describeOutcome, outcomeOf } from './entry-outcome.js';
import { isDoubtful, isOutage } from './failure-kinds.js';
import { Turns } from './turns.js';
import { UserOrder } from './user-order.js';
import { WorkerStatus } from './worker-status.js';

/** An entry that Vorpal failed on while it worked for a control request. */
export interface Doubt {
  readonly delivered: DeliveredEntry;
  readonly failure: unknown;
}

export interface Processed {
  /** Neither processed nor counted as failed: whose fault it is has to be found out. */
  readonly doubts: readonly Doubt[];
}

export interface ProcessingSteps {
  /** Called when the last scoring request has had its turn and is sent. */
  readonly onLastSent?: () => void;
  /** Called when entries wait for earlier ones of their users, with nothing left to do for Vorpal. */
  readonly onWait?: () => void;
}

interface RememberOptions extends ProcessingSteps {
  readonly signal: AbortSignal;
  /** Whether what Vorpal failed on goes on by its novelty alone. */
  readonly alsoUnscored?: boolean;
}

interface ScoredStreamEntry {
  readonly delivered: DeliveredEntry;
  readonly entry: StreamEntry;
  readonly score: TextScore;
  readonly vector: Float32Array;
  readonly isReadable: boolean;
}

/** Scores and embeds entries, has it decided what becomes of them, and acknowledges them. */
@Injectable()
export class EntryProcessor {
  private readonly logger = new Logger('MemoryWorker');
  /** By user: what does not wait for its turn in the order is judged by itself all the same. */
  private readonly turns = new Turns();

  /** The marks of users when the worker began with entries that carry none, of other programs. */
  private readonly marks = new WeakMap<DeliveredEntry, string>();

  /** Acknowledged or counted as failed, of batches that may be given again. */
  private readonly settled = new WeakSet<DeliveredEntry>();

  constructor(
    private readonly stream: InputStream,
    private readonly scorer: PerplexityScorer,
    private readonly embedder: Embedder,
    private readonly memory: RememberService,
    private readonly order: UserOrder,
    private readonly control: ControlRequest,
    private readonly status: WorkerStatus,
    private readonly settings: Settings,
  ) {}

  /**
   * Processes a batch with one scoring and one embedding request. Where that fails because of an entry, or may have, each
   * is tried by itself, so that one bad entry does not hold up the others.
   * @throws the error of an outage (Vorpal, store or stream away); entries then remain pending and may be given again
   */
  async process(
    batch: readonly DeliveredEntry[],
    signal: AbortSignal,
    steps: ProcessingSteps = {},
  ): Promise<Processed> {
    const open = batch.filter((delivered) => !this.settled.has(delivered));
    const [first] = open;
    if (first === undefined) return { doubts: [] };
    try {
      return await this.rememberAndAcknowledge(open, { signal, ...steps });
    } catch (error) {
      if (signal.aborted) throw error;
      const isInDoubt = isDoubtful(error);
      if (isInDoubt ? !(await this.control.succeeds(signal)) : isOutage(error)) throw error;
      if (open.length > 1) return this.processOneByOne(open, signal);
      if (isInDoubt) {
        this.order.pass(open);
        return { doubts: [{ delivered: first, failure: error }] };
      }
      await this.recordFailure(first, error, signal);
      return { doubts: [] };
    }
  }

  /** Counts a failed attempt of an entry that is to blame for it; after the last one the entry is given up. */
  async recordFailure(delivered: DeliveredEntry, error: unknown, signal: AbortSignal): Promise<void> {
    const { maxAttempts } = this.settings.stream;
    const { entry, deliveries } = delivered;
    const isLast = deliveries >= maxAttempts;
    if (isLast && isDoubtful(error) && (await this.rememberUnscored(delivered, signal))) return;
    this.status.recordFailure();
    this.logger.error(
      `Entry ${entry.id} failed (attempt ${deliveries} of ${maxAttempts}): ${describeError(error)}`,
      error instanceof BrainError || !(error instanceof Error) ? undefined : error.stack,
    );
    if (isLast) await this.giveUp(delivered, error);
    this.settled.add(delivered);
    this.order.pass([delivered]);
  }

  /** Sends an entry to the dead letters, unless its user was forgotten since. */
  async giveUp(delivered: DeliveredEntry, error: unknown): Promise<void> {
    if (await this.isForgotten(delivered)) {
      await this.stream.acknowledge([delivered]);
      this.logger.log('Dropped: its user was forgotten meanwhile');
      return;
    }
    await this.stream.deadLetter(delivered, describeError(error));
    this.logger.error(`Entry ${delivered.entry.id} went to the dead letters`);
  }

  private async isForgotten(delivered: DeliveredEntry): Promise<boolean> {
    const carried = this.markOf(delivered);
    if (carried === undefined) return false;
    try {
      const mark = await this.memory.forgetMark(delivered.entry.userId);
      return mark !== '' && mark !== carried;
    } catch (error) {
      if (isOutage(error)) throw error;
      // The user's keys may be what the entry failed on.
      return false;
    }
  }

  private markOf(delivered: DeliveredEntry): string | undefined {
    return delivered.entry.forgetMark ?? this.marks.get(delivered);
  }

  private async markUnmarked(batch: readonly DeliveredEntry[]): Promise<void> {
    for (const delivered of batch) {
      if (this.markOf(delivered) === undefined) {
        this.marks.set(delivered, await this.memory.forgetMark(delivered.entry.userId));
      }
    }
  }

  private async processOneByOne(batch: readonly DeliveredEntry[], signal: AbortSignal): Promise<Processed> {
    const doubts: Doubt[] = [];
    for (const delivered of batch) doubts.push(...(await this.process([delivered], signal)).doubts);
    return { doubts };
  }

  /** What can be embedded goes on by its novelty alone. @returns whether it could */
  private async rememberUnscored(delivered: DeliveredEntry, signal: AbortSignal): Promise<boolean> {
    try {
      await this.rememberAndAcknowledge([delivered], { signal, alsoUnscored: true });
      return true;
    } catch (error) {
      if (signal.aborted || (isOutage(error) && !isDoubtful(error))) throw error;
      return false;
    }
  }

  private async rememberAndAcknowledge(
    batch: readonly DeliveredEntry[],
    { alsoUnscored = false, ...options }: RememberOptions,
  ): Promise<Processed> {
    const { signal } = options;
    await this.markUnmarked(batch);
    const before = this.order.before(batch);
    // Met when it is awaited, if scoring does not fail first.
    before.catch(() => undefined);
    const scored = await this.scoreAndEmbed(batch, options);
    const isInDoubt = ({ score }: ScoredStreamEntry): boolean => score.failure !== undefined && !alsoUnscored;
    const [doubted, good] = [scored.filter(isInDoubt), scored.filter((one) => !isInDoubt(one))];
    this.order.pass(doubted.map(({ delivered }) => delivered));
    for await (const portion of this.order.inTurn(good, await before, options)) {
      const done = await this.rememberAll(portion, signal);
      const delivered = portion.map((one) => one.delivered);
      this.order.pass(delivered);
      await this.stream.acknowledge(delivered);
      for (const one of delivered) this.settled.add(one);
      for (const [one, remembered] of done) this.report(one, remembered);
    }
    return { doubts: doubted.map(({ delivered, score }) => ({ delivered, failure: score.failure })) };
  }

  private async scoreAndEmbed(
    batch: readonly DeliveredEntry[],
    { signal, onLastSent }: RememberOptions,
  ): Promise<ScoredStreamEntry[]> {
    const texts = batch.map(({ entry }) => entry.message);
    const [scores, vectors, areReadable] = await Promise.all([
      this.scorer.score(
        batch.map(({ entry }) => toScoringInput(entry)),
        { signal, onLastSent },
      ),
      this.embedder.embed(texts, { signal }),
      Promise.all(texts.map((text) => this.embedder.isReadable(text, signal))),
    ]);
    return batch.map((delivered, index) => {
      const [score, vector] = [scores[index], vectors[index]];
      const { entry } = delivered;
      if (!score || !vector) throw new Error(`Entry ${entry.id} has no score or no embedding.`);
      return { delivered, entry, score, vector, isReadable: areReadable[index] ?? true };
    });
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
            const message = toScoredMessage(scored, this.markOf(scored.delivered));
            done.push([scored, await this.memory.remember(message, signal)]);
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

  private report({ entry, score }: ScoredStreamEntry, remembered: Remembered): void {
    const { decision, outcome } = remembered;
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
      outcome: outcomeOf(remembered),
      related_memory_id: decision.duplicateOf ?? decision.supersedes,
      received_at: new Date(entry.timestampMs).toISOString(),
      scored_at: new Date().toISOString(),
    });
    if (this.settings.worker.logMessages) this.logger.log(`Message: ${previewOf(entry.message)}`);
    this.logger.log(
      `Perplexity: ${score.perplexity === null ? `none (${score.reason ?? 'unscorable'})` : score.perplexity.toFixed(2)}`,
    );
    this.logger.log(describeOutcome(remembered));
  }
}

function toScoringInput({ message, context }: StreamEntry): ScoringInput {
  return context === '' ? { text: message } : { text: message, context, alsoPlain: true };
}

function toScoredMessage({ entry, score, vector, isReadable }: ScoredStreamEntry, forgetMark?: string): ScoredMessage {
  const contextual = entry.context !== '';
  return {
    id: entry.id,
    text: entry.message,
    context: entry.context,
    userId: entry.userId,
    sessionId: entry.sessionId,
    role: entry.role,
    receivedAtMs: entry.timestampMs,
    ...(forgetMark !== undefined && { forgetMark }),
    model: score.model,
    perplexity: score.perplexity,
    avgLogprob: score.avgLogprob,
    informationNats: informationOf(score),
    contextual,
    plainPerplexity: contextual ? (score.plain?.perplexity ?? null) : score.perplexity,
    ...(score.reason !== undefined && { unscorable: score.reason }),
    vector,
    isReadable,
  };
}
