import type { ScoredEntry } from '../memory/index.js';
import type { DeliveredEntry, StreamEntry } from '../stream/index.js';
import type { ScoringInput } from '../vorpal/index.js';

/** A delivered entry with what the models made of it. */
export interface ScoredDelivery extends ScoredEntry {
  readonly delivered: DeliveredEntry;
}

export function toScoringInput({ message, context }: StreamEntry): ScoringInput {
  return context === '' ? { text: message } : { text: message, context, alsoPlain: true };
}
