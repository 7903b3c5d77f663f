/**
 * Most tokens of a scored prompt in one evaluation.
 *
 * Flash attention on the CPU takes another path from 64 query rows on, and rounds differently there. With quantised
 * activations a last-bit difference grows to 0.45 nats on a single token. Below the limit a token's logprob does not
 * depend, to the last bit, on what else is evaluated beside it.
 */
export const SCORED_CHUNK_TOKENS = 63;

/** Most tokens of an unscored prompt in one evaluation: the longest that an aborted request still occupies the CPU. */
export const PREFILL_CHUNK_TOKENS = 256;

/** One sequence's evaluation that waits for the next batch. */
export interface PendingEvaluation {
  readonly tokens: readonly unknown[];
  /** Per token, whether its logits are wanted. */
  readonly logits: readonly (true | undefined)[];
  readonly evaluationPriority: number;
}

export interface PlannedEvaluation<T> {
  readonly item: T;
  readonly processAmount: number;
}

/** Tokens of one batch: room for a whole scored chunk of each sequence, so that none has to be split. */
export function batchTokens(sequences: number): number {
  return Math.max(512, SCORED_CHUNK_TOKENS * sequences);
}

/**
 * Decides how many tokens of each pending evaluation go into the next batch: by priority, then in order, each as far
 * as it fits.
 *
 * A scored chunk that is one token longer than everything beside it would end in a batch row of its own, and
 * single rows round differently. So while a full chunk is pending, evaluations that are one token shorter wait.
 *
 * The plan is never empty where there are items: the caller would ask for ever.
 */
export function planBatch<T extends PendingEvaluation>(items: readonly T[], maxTokens: number): PlannedEvaluation<T>[] {
  const fullChunkPending = items.some((item) => isScored(item) && item.tokens.length === SCORED_CHUNK_TOKENS);
  const plan: PlannedEvaluation<T>[] = [];
  let tokensLeft = maxTokens;
  for (const item of items.toSorted((a, b) => b.evaluationPriority - a.evaluationPriority)) {
    const amount = Math.min(item.tokens.length, tokensLeft);
    const splitsScores = isScored(item) && amount < item.tokens.length;
    const isolatesLastRow = fullChunkPending && amount === SCORED_CHUNK_TOKENS - 1;
    if (amount === 0 || splitsScores || isolatesLastRow) continue;
    plan.push({ item, processAmount: amount });
    tokensLeft -= amount;
  }
  const [first] = items;
  if (plan.length === 0 && first) return [{ item: first, processAmount: Math.min(first.tokens.length, maxTokens) }];
  return plan;
}

/** Whether logits are wanted of more than the last token. */
function isScored({ tokens, logits }: PendingEvaluation): boolean {
  return logits.slice(0, tokens.length - 1).some(Boolean);
}
