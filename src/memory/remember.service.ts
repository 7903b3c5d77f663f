import { Injectable } from '@nestjs/common';
import { Settings } from '../config/index.js';
import type { Decision, Memory } from './memory.js';
import {
  type Effect,
  type EmbeddedMemory,
  MemoryStore,
  type Nearest,
  type RecordOutcome,
} from './memory-store.port.js';
import { decayOf, distributionOf, judge, statisticsAddends, type Surprisal, type Verdict } from './surprise.js';

/** A message with what is needed to decide about it. */
export interface ScoredMessage {
  /** The stream entry's id, which becomes the memory's. */
  readonly id: string;
  readonly text: string;
  readonly userId: string;
  readonly sessionId: string | null;
  readonly role: Memory['role'];
  readonly receivedAtMs: number;
  /** The mark that its user had when it was received, as far as that is known. */
  readonly forgetMark?: string;
  /** The language model that scored it. */
  readonly model: string;
  readonly perplexity: number | null;
  readonly avgLogprob: number | null;
  /** `-Σ logprob` over the tokens that `avgLogprob` is the mean of. */
  readonly informationNats: number | null;
  /** Whether `perplexity` was taken given the turns before. */
  readonly contextual: boolean;
  /** Without the turns before, where that was scored as well. */
  readonly plainPerplexity: number | null;
  /** Why there is no perplexity. */
  readonly unscorable?: string;
  /** A unit vector of the store's space. */
  readonly vector: Float32Array;
}

export interface Remembered {
  readonly decision: Decision;
  readonly outcome: RecordOutcome;
}

/** Decides about one message and writes the decision together with all that follows from it. */
@Injectable()
export class RememberService {
  constructor(
    private readonly store: MemoryStore,
    private readonly settings: Settings,
  ) {}

  /**
   * Keeps the message, leaves it in the shadow buffer, or strengthens the memory that says the same. A message that was
   * decided before is left as it is.
   * @throws MemoryStoreUnavailableError, MemoryVectorError
   */
  async remember(message: ScoredMessage): Promise<Remembered> {
    const rule = this.settings.memory;
    const [nearest, sums] = await Promise.all([
      this.store.nearest(message.userId, message.vector),
      this.store.statistics(message.userId, message.model),
    ]);
    const { perplexity, informationNats } = message;
    const surprisal = { perplexity, informationNats, novelty: nearest ? Math.max(0, 1 - nearest.similarity) : 1 };
    const verdict = judge(surprisal, rule, distributionOf(sums));
    const duplicate = nearest !== undefined && nearest.similarity >= rule.duplicateSimilarity ? nearest : undefined;
    const decision = toDecision(message, surprisal, verdict, nearest, duplicate);
    const outcome = await this.store.record({
      decision,
      ...(message.forgetMark !== undefined && { forgetMark: message.forgetMark }),
      effect: this.effectOf(message, decision, duplicate),
      statistics: [
        { model: message.model, decay: decayOf(rule.halfLifeMessages), addends: statisticsAddends(surprisal) },
      ],
    });
    return { decision, outcome };
  }

  /** What to give with a message of the user that nobody gave it yet. @throws MemoryStoreUnavailableError */
  async forgetMark(userId: string): Promise<string> {
    return this.store.forgetMark(userId);
  }

  private effectOf(message: ScoredMessage, decision: Decision, duplicate: Nearest | undefined): Effect {
    if (duplicate) return { kind: 'strengthen', id: duplicate.id, seenAtMs: message.receivedAtMs };
    const memory = toMemory(message, decision);
    if (decision.kept) return { kind: 'keep', memory };
    return { kind: 'shadow', memory, expiresAtMs: decision.decidedAtMs + this.settings.memory.shadowTtlMs };
  }
}

function toDecision(
  message: ScoredMessage,
  { perplexity, informationNats, novelty }: Surprisal,
  { surprise, threshold, mode, kept }: Verdict,
  nearest: Nearest | undefined,
  duplicate: Nearest | undefined,
): Decision {
  return {
    id: message.id,
    userId: message.userId,
    sessionId: message.sessionId,
    decidedAtMs: Date.now(),
    model: message.model,
    perplexity,
    informationNats,
    contextual: message.contextual,
    plainPerplexity: message.plainPerplexity,
    novelty,
    nearestId: nearest?.id ?? null,
    surprise,
    threshold,
    mode,
    kept: kept && duplicate === undefined,
    reason: reasonOf(surprise, threshold, duplicate, message.unscorable),
  };
}

function reasonOf(
  surprise: number,
  threshold: number,
  duplicate: Nearest | undefined,
  unscorable: string | undefined,
): string {
  const verb = surprise >= threshold ? 'reaches' : 'is below';
  const what = duplicate
    ? `says what memory ${duplicate.id} says (similarity ${duplicate.similarity.toFixed(2)}), which was strengthened`
    : `surprise ${surprise.toFixed(2)} ${verb} ${threshold.toFixed(2)}`;
  return unscorable === undefined ? what : `${what}, by novelty alone: ${unscorable}`;
}

function toMemory(message: ScoredMessage, { novelty, surprise }: Decision): EmbeddedMemory {
  const { id, text, userId, sessionId, role, receivedAtMs, perplexity, avgLogprob, model, vector } = message;
  const memory: Memory = {
    id,
    text,
    userId,
    sessionId,
    role,
    createdAtMs: receivedAtMs,
    perplexity,
    avgLogprob,
    novelty,
    surprise,
    model,
    source: 'worker',
    metadata: {},
    count: 1,
    lastSeenAtMs: receivedAtMs,
  };
  return { memory, vector };
}
