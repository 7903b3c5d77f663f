import type { Remembered } from '../memory/index.js';

/**
 * What became of an entry. `superseding`: it is kept, and replaces a memory that no longer holds. `known`: it was
 * decided before, and was delivered again after an interruption.
 */
export type EntryOutcome = 'kept' | 'duplicate' | 'superseding' | 'not_kept' | 'known';

const WORDS: Readonly<Record<EntryOutcome, string>> = {
  kept: 'Kept',
  duplicate: 'Duplicate',
  superseding: 'Kept, superseding',
  not_kept: 'Not kept',
  known: 'Decided before: given again after an interruption',
};

export function outcomeOf({ decision: { kept, duplicateOf, supersedes }, outcome }: Remembered): EntryOutcome {
  if (outcome === 'known') return 'known';
  if (duplicateOf !== null) return 'duplicate';
  if (supersedes !== null) return 'superseding';
  return kept ? 'kept' : 'not_kept';
}

/** A line for the log, without the text. */
export function describeOutcome(remembered: Remembered): string {
  const outcome = outcomeOf(remembered);
  const { reason, novelty, mode } = remembered.decision;
  if (outcome === 'known') return WORDS.known;
  return `${WORDS[outcome]}: ${reason} Novelty ${novelty.toFixed(2)}, mode ${mode}.`;
}
