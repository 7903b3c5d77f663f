import { Inject, Injectable, Logger } from '@nestjs/common';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { turnsIn } from '../../sessions/index.js';
import { describeError, fullJitterBackoffMs, Semaphore, sleep } from '../../shared/index.js';
import type { StreamEntry } from '../../stream/index.js';
import { informationOf, type TextScore } from '../../vorpal/index.js';
import { detectChange, type DetectedChange } from '../change/change-detector.js';
import { hasFittedCosines } from '../embedding/fitted-embedder.js';
import { indexMemory, type MemoryContent } from './indexed-memory.js';
import { newMemory } from './new-memory.js';
import type { Decision } from '../memory.js';
import {
  type Candidate,
  type Effect,
  type IndexedMemory,
  MemoryStore,
  type RecordOutcome,
} from '../store/memory-store.port.js';
import { MemoryContendedError } from '../memory.errors.js';
import { type ReadText, relatedMemories } from '../search/related-memories.js';
import { decayOf, distributionOf, judge, statisticsAddends, type Surprisal, type Verdict } from './surprise.js';
import { textDigest } from './text-digest.js';
import { memorySettings, type MemorySettings } from '../memory.settings.js';

// SQLite works on the event loop: the writes of several batches in one piece would hold up chats (744 ms at the 99th
// percentile where this was measured). Redis works elsewhere; this many calls keep it busy.
const STORE_CALLS_AT_ONCE = { sqlite: 1, redis: 64 };

// The words of more turns than these make a memory no easier to find; docs/evaluation.md.
const CONTEXT_TURNS = 2;

// Each time somebody else stored, or removed, just this text of this user in between.
const MOST_ATTEMPTS = 8;
const CONTENTION_BACKOFF = { initialMs: 10, maxMs: 500 };

/** An entry of the stream with what the models made of its message. */
export interface ScoredEntry extends Omit<ReadText, 'text'> {
  readonly entry: StreamEntry;
  readonly score: TextScore;
}

export interface Remembered {
  readonly decision: Decision;
  readonly outcome: Exclude<RecordOutcome, 'stale'>;
}

/** What the store has of the user that matters for the message. */
interface Known {
  readonly candidates: readonly Candidate[];
  readonly sums: readonly number[];
  /** The id of the memory with the same text. */
  readonly duplicateOf: string | undefined;
}

/** The memories that a message has to do with. */
type Related = Pick<Decision, 'nearestId' | 'duplicateOf' | 'supersedes' | 'supersessionScore'>;

/** Decides about one message and writes the decision together with all that follows from it. */
@Injectable()
export class RememberService {
  private readonly logger = new Logger('Memory');
  private readonly storeCalls: Semaphore;

  constructor(
    private readonly store: MemoryStore,
    @Inject(memorySettings.KEY) private readonly settings: MemorySettings,
  ) {
    this.storeCalls = new Semaphore(STORE_CALLS_AT_ONCE[settings.backend]);
  }

  /**
   * Makes the message of an entry a memory, counts the memory with the same text, or, if there is a gate, drops it. An
   * entry that has a decision already changes nothing.
   * @throws MemoryStoreUnavailableError, MemoryVectorError, MemoryContendedError, AbortError
   */
  async remember(scored: ScoredEntry, signal: AbortSignal): Promise<Remembered> {
    const { entry, score } = scored;
    const digest = textDigest({ role: entry.role, text: entry.message });
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt++) {
      const known = await this.atStore(signal, () => this.look(scored, digest));
      const { decision, effect, surprisal } = this.decide(scored, known);
      const outcome = await this.atStore(signal, () =>
        this.store.record({
          decision,
          ...(entry.forgetMark !== undefined && { forgetMark: entry.forgetMark }),
          effect,
          statistics: [
            {
              model: score.model,
              decay: decayOf(this.settings.halfLifeMessages),
              addends: statisticsAddends(surprisal),
            },
          ],
        }),
      );
      if (outcome !== 'stale') return { decision, outcome };
      await sleep(fullJitterBackoffMs(attempt, CONTENTION_BACKOFF), signal);
    }
    throw new MemoryContendedError();
  }

  /** What to give with a message of the user that nobody gave it yet. @throws MemoryStoreUnavailableError */
  async forgetMark(userId: string): Promise<string> {
    return this.store.forgetMark(userId);
  }

  private async atStore<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    return this.storeCalls.run(async () => {
      try {
        return await work();
      } finally {
        // Before the next call, so that chats get their turn of the event loop.
        await nextTurn();
      }
    }, signal);
  }

  private async look({ entry, score, vector, isReadable }: ScoredEntry, digest: string): Promise<Known> {
    const { userId, message } = entry;
    const [candidates, sums, duplicateOf] = await Promise.all([
      relatedMemories(this.store, userId, { text: message, vector, isReadable }),
      this.store.statistics(userId, score.model),
      this.store.findText(userId, digest),
    ]);
    return { candidates, sums, duplicateOf };
  }

  private decide(scored: ScoredEntry, { candidates, sums, duplicateOf }: Known) {
    const { entry, score } = scored;
    const nearest = nearestOf(candidates);
    const surprisal: Surprisal = {
      perplexity: score.perplexity,
      informationNats: informationOf(score),
      novelty: noveltyOf(nearest, duplicateOf),
    };
    const verdict = judge(surprisal, this.settings, distributionOf(sums));
    const isNew = verdict.kept && duplicateOf === undefined;
    const change = isNew && entry.role === 'user' ? this.changeBy(scored, candidates) : undefined;
    const decision = toDecision(scored, surprisal, verdict, {
      nearestId: duplicateOf ?? nearest?.memory.id ?? null,
      duplicateOf: duplicateOf ?? null,
      supersedes: change?.id ?? null,
      supersessionScore: change?.score ?? null,
    });
    const supersedes = change && ({ ...change, atMs: entry.timestampMs, reason: 'changed' } as const);
    const effect: Effect = decision.kept
      ? {
          kind: 'keep',
          memory: toMemory(scored, decision),
          duplicateOf: decision.duplicateOf,
          ...(supersedes && { supersedes }),
        }
      : { kind: 'drop' };
    return { decision, effect, surprisal };
  }

  /** A message is worth more than knowing what it changes: a fault in telling that does not fail it. */
  private changeBy({ entry }: ScoredEntry, candidates: readonly Candidate[]): DetectedChange | undefined {
    try {
      const isFitted = hasFittedCosines(this.settings.embeddingsModel);
      const comparable = isFitted ? candidates : candidates.map((one) => ({ ...one, cosine: null }));
      const { message: text, role, timestampMs: createdAtMs } = entry;
      return detectChange({ text, role, createdAtMs }, comparable);
    } catch (error) {
      this.logger.error(
        `Could not compare entry ${entry.id} with the memories that it may change: ${describeError(error)}`,
      );
      return undefined;
    }
  }
}

function nearestOf(candidates: readonly Candidate[]): Candidate | undefined {
  const near = candidates.filter(({ cosine }) => cosine !== null);
  return near.toSorted((a, b) => Number(b.cosine) - Number(a.cosine))[0];
}

/** Of a text that is there already none; where no vector tells, and where there is no memory, all. */
function noveltyOf(nearest: Candidate | undefined, duplicateOf: string | undefined): number {
  if (duplicateOf !== undefined) return 0;
  return Math.max(0, 1 - (nearest?.cosine ?? 0));
}

function toDecision(
  { entry, score }: ScoredEntry,
  { perplexity, informationNats, novelty }: Surprisal,
  verdict: Verdict,
  related: Related,
): Decision {
  const { surprise, threshold, mode } = verdict;
  const contextual = entry.context !== '';
  return {
    id: entry.id,
    userId: entry.userId,
    sessionId: entry.sessionId,
    decidedAtMs: Date.now(),
    model: score.model,
    perplexity,
    informationNats,
    contextual,
    plainPerplexity: contextual ? (score.plain?.perplexity ?? null) : perplexity,
    novelty,
    ...related,
    surprise,
    threshold,
    mode,
    // A gate decides what becomes a memory; the text of this one is a memory already, and is counted.
    kept: verdict.kept || related.duplicateOf !== null,
    reason: reasonOf(verdict, related, score.reason),
  };
}

function reasonOf(
  { surprise, threshold, mode }: Verdict,
  { duplicateOf, supersedes, supersessionScore }: Related,
  unscorable: string | undefined,
): string {
  const reason = unscorable === undefined ? '' : `, by novelty alone: ${unscorable}`;
  const judged = `surprise ${surprise.toFixed(2)}${reason}`;
  if (duplicateOf !== null) return `Memory ${duplicateOf} has the same text and was counted once more (${judged}).`;
  if (supersedes !== null)
    return `It changes what memory ${supersedes} says (certainty ${supersessionScore?.toFixed(2)}, ${judged}).`;
  if (mode === 'all') return `Every message is kept (${judged}).`;
  return `It ${surprise >= threshold ? 'reaches' : 'is below'} the threshold of ${threshold.toFixed(2)} (${judged}).`;
}

function toMemory({ entry, score, vector, isReadable }: ScoredEntry, decision: Decision): IndexedMemory {
  const { id, message: text, userId, sessionId, role, timestampMs: createdAtMs } = entry;
  const context = turnsIn(entry.context).slice(-CONTEXT_TURNS).join('\n');
  const { perplexity, informationNats, novelty, surprise, model } = decision;
  const content: MemoryContent = {
    ...newMemory(userId, { id, text, sessionId, role, createdAtMs, context }),
    perplexity,
    avgLogprob: score.avgLogprob,
    informationNats,
    novelty: isReadable ? novelty : null,
    surprise,
    model,
    source: 'worker',
  };
  return indexMemory(content, vector);
}
