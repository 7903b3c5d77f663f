import { Inject, Injectable, Logger } from '@nestjs/common';
import { Embedder, type Remembered, RememberService } from '../memory/index.js';
import { BrainError, describeError, KeyedMutex, previewOf } from '../shared/index.js';
import { type DeliveredEntry, InputStream } from '../stream/index.js';
import { PerplexityScorer } from '../vorpal/index.js';
import { CanaryProbe } from './failures/canary-probe.js';
import { describeOutcome, outcomeOf } from './entry-outcome.js';
import { isOutage, isUnanswered, isWrongAnswer } from './failures/failure-classification.js';
import { type ScoredDelivery, toScoringInput } from './scored-entry.js';
import { UserSequencer } from './scheduling/user-sequencer.js';
import { WorkerStatus } from './worker-status.js';
import { memoryWorkerSettings, type MemoryWorkerSettings } from './memory-worker.settings.js';

/** An entry that Vorpal failed on while it answered a canary: neither processed nor counted as failed. */
export interface FailedEntry {
  readonly delivered: DeliveredEntry;
  readonly failure: unknown;
}

export interface ProcessingHooks {
  /** Called when the last scoring request is sent. */
  readonly onLastSent?: () => void;
  /** Called when entries wait for earlier ones of their users and need nothing more of Vorpal. */
  readonly onBlocked?: () => void;
}

interface RememberOptions extends ProcessingHooks {
  readonly signal: AbortSignal;
  /** Whether an entry that Vorpal could not score is judged by its novelty alone. */
  readonly alsoUnscored?: boolean;
}

/** Scores and embeds entries, has {@link RememberService} decide about them, and acknowledges them. */
@Injectable()
export class EntryProcessor {
  private readonly logger = new Logger('MemoryWorker');
  /** By user: unblocked entries skip the {@link UserSequencer}, and are still decided one at a time. */
  private readonly userMutex = new KeyedMutex();

  /** The forget mark that the user of an unmarked entry, from another program, had when the worker began with it. */
  private readonly marks = new WeakMap<DeliveredEntry, string>();

  /** Acknowledged or counted as failed, in batches that may be tried again. */
  private readonly settled = new WeakSet<DeliveredEntry>();

  constructor(
    private readonly stream: InputStream,
    private readonly scorer: PerplexityScorer,
    private readonly embedder: Embedder,
    private readonly memory: RememberService,
    private readonly sequencer: UserSequencer,
    private readonly canary: CanaryProbe,
    private readonly status: WorkerStatus,
    @Inject(memoryWorkerSettings.KEY) private readonly settings: MemoryWorkerSettings,
  ) {}

  /**
   * Processes a batch with one scoring and one embedding request. If that fails because of an entry, or may have, each
   * entry is tried by itself, so that one bad entry does not hold up the others.
   * @returns the entries for the quarantine
   * @throws the error of an outage (of Vorpal, store or stream); entries then stay pending and may be tried again
   */
  async process(
    batch: readonly DeliveredEntry[],
    signal: AbortSignal,
    hooks: ProcessingHooks = {},
  ): Promise<readonly FailedEntry[]> {
    const open = batch.filter((delivered) => !this.settled.has(delivered));
    const [first] = open;
    if (first === undefined) return [];
    try {
      return await this.rememberAndAcknowledge(open, { signal, ...hooks });
    } catch (error) {
      if (signal.aborted) throw error;
      const mayBeEntry = isWrongAnswer(error);
      if (mayBeEntry ? !(await this.canary.succeeds(signal)) : isOutage(error)) throw error;
      if (open.length > 1) return this.processOneByOne(open, signal, hooks);
      if (mayBeEntry) {
        this.sequencer.unblock(open);
        return [{ delivered: first, failure: error }];
      }
      await this.recordFailure(first, error, signal);
      return [];
    }
  }

  /**
   * Tries one entry by itself.
   * @returns what Vorpal failed on, which may be an outage; `undefined` once the entry is processed or counted as
   * failed
   * @throws the error of any other outage
   */
  async processAlone(delivered: DeliveredEntry, signal: AbortSignal): Promise<unknown> {
    if (this.settled.has(delivered)) return undefined;
    try {
      const [failed] = await this.rememberAndAcknowledge([delivered], { signal });
      return failed?.failure;
    } catch (error) {
      if (signal.aborted) throw error;
      if (isWrongAnswer(error) || isUnanswered(error)) return error;
      if (isOutage(error)) throw error;
      await this.recordFailure(delivered, error, signal);
      return undefined;
    }
  }

  /**
   * Counts a failed attempt of an entry that is to blame for it. After the last attempt the entry is judged without its
   * score, if only that is missing, or becomes a dead letter. @returns whether this was the last attempt
   */
  async recordFailure(delivered: DeliveredEntry, error: unknown, signal: AbortSignal): Promise<boolean> {
    const { maxAttempts } = this.settings;
    const { entry, deliveries } = delivered;
    const isLast = deliveries >= maxAttempts;
    if (isLast && isWrongAnswer(error) && (await this.rememberUnscored(delivered, signal))) return true;
    this.status.recordFailure();
    this.logger.error(
      `Entry ${entry.id} failed (attempt ${deliveries} of ${maxAttempts}): ${describeError(error)}`,
      error instanceof BrainError || !(error instanceof Error) ? undefined : error.stack,
    );
    if (isLast) await this.giveUp(delivered, error);
    this.settled.add(delivered);
    this.sequencer.unblock([delivered]);
    return isLast;
  }

  /** Sends an entry to the dead letters, unless its user was forgotten since. */
  private async giveUp(delivered: DeliveredEntry, error: unknown): Promise<void> {
    if (await this.isForgotten(delivered)) {
      await this.stream.acknowledge([delivered]);
      this.logger.log('Dropped an entry: its user was forgotten');
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

  private async processOneByOne(
    batch: readonly DeliveredEntry[],
    signal: AbortSignal,
    { onBlocked }: ProcessingHooks,
  ): Promise<readonly FailedEntry[]> {
    const failed: FailedEntry[] = [];
    for (const delivered of batch) failed.push(...(await this.process([delivered], signal, { onBlocked })));
    return failed;
  }

  /** Judges an entry that can be embedded by its novelty alone. @returns whether it could be embedded */
  private async rememberUnscored(delivered: DeliveredEntry, signal: AbortSignal): Promise<boolean> {
    try {
      await this.rememberAndAcknowledge([delivered], { signal, alsoUnscored: true });
      return true;
    } catch (error) {
      if (signal.aborted || (isOutage(error) && !isWrongAnswer(error))) throw error;
      return false;
    }
  }

  private async rememberAndAcknowledge(
    batch: readonly DeliveredEntry[],
    { alsoUnscored = false, ...options }: RememberOptions,
  ): Promise<readonly FailedEntry[]> {
    const { signal } = options;
    await this.markUnmarked(batch);
    const earlier = this.sequencer.earlierThan(batch);
    // Its failure is met when it is awaited, unless scoring fails first.
    earlier.catch(() => undefined);
    const scored = await this.scoreAndEmbed(batch, options);
    const isFailed = ({ score }: ScoredDelivery): boolean => score.failure !== undefined && !alsoUnscored;
    const [failed, good] = [scored.filter(isFailed), scored.filter((one) => !isFailed(one))];
    this.sequencer.unblock(failed.map(({ delivered }) => delivered));
    for await (const portion of this.sequencer.inOrder(good, await earlier, options)) {
      const done = await this.rememberAll(portion, signal);
      const delivered = portion.map((one) => one.delivered);
      this.sequencer.unblock(delivered);
      await this.stream.acknowledge(delivered);
      for (const one of delivered) this.settled.add(one);
      for (const [one, remembered] of done) this.report(one, remembered);
    }
    return failed.map(({ delivered, score }) => ({ delivered, failure: score.failure }));
  }

  private async scoreAndEmbed(
    batch: readonly DeliveredEntry[],
    { signal, onLastSent }: RememberOptions,
  ): Promise<ScoredDelivery[]> {
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

  /** The entries of one user in their order, one at a time; different users concurrently. */
  private async rememberAll(
    batch: readonly ScoredDelivery[],
    signal: AbortSignal,
  ): Promise<[ScoredDelivery, Remembered][]> {
    const byUser = Map.groupBy(batch, ({ entry }) => entry.userId);
    const outcomes = await Promise.allSettled(
      [...byUser].map(([userId, own]) =>
        this.userMutex.runExclusive(userId, async () => {
          const done: [ScoredDelivery, Remembered][] = [];
          for (const scored of own) {
            const forgetMark = this.markOf(scored.delivered);
            const entry = forgetMark === undefined ? scored.entry : { ...scored.entry, forgetMark };
            done.push([scored, await this.memory.remember({ ...scored, entry }, signal)]);
          }
          return done;
        }),
      ),
    );
    // Thrown only once all have ended, so that nothing still runs when the batch is tried again.
    return outcomes.flatMap((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  private report({ entry, score }: ScoredDelivery, remembered: Remembered): void {
    const { decision, outcome } = remembered;
    if (outcome === 'forgotten') {
      this.logger.log('Dropped an entry: its user was forgotten');
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
    if (this.settings.logMessages) this.logger.log(`Message: ${previewOf(entry.message)}`);
    const { perplexity, reason = 'unscorable' } = score;
    this.logger.log(`Perplexity: ${perplexity === null ? `none (${reason})` : perplexity.toFixed(2)}`);
    this.logger.log(describeOutcome(remembered));
  }
}
