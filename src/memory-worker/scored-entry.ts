import type { ScoredMessage } from '../memory/index.js';
import type { DeliveredEntry, StreamEntry } from '../stream/index.js';
import { informationOf, type ScoringInput, type TextScore } from '../vorpal/index.js';

/** A delivered entry with what Vorpal made of it. */
export interface ScoredStreamEntry {
  readonly delivered: DeliveredEntry;
  readonly entry: StreamEntry;
  readonly score: TextScore;
  readonly vector: Float32Array;
  readonly isReadable: boolean;
}

export function toScoringInput({ message, context }: StreamEntry): ScoringInput {
  return context === '' ? { text: message } : { text: message, context, alsoPlain: true };
}

/** @param forgetMark the mark that the entry's user had when it came, as far as that is known */
export function toScoredMessage(
  { entry, score, vector, isReadable }: ScoredStreamEntry,
  forgetMark?: string,
): ScoredMessage {
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
