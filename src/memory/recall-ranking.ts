import type { FoundMemory } from './memory.js';

export interface RankingWeights {
  readonly similarityWeight: number;
  readonly recencyWeight: number;
  readonly surpriseWeight: number;
  /** Age at which recency is one half. */
  readonly recencyHalfLifeMs: number;
}

// For a memory whose surprise nobody judged: neither for nor against it.
const NEUTRAL_SURPRISE = 0.5;

/**
 * Found memories, best first: a weighted sum of cosine similarity, recency (halved every half-life since it was last
 * said) and surprise (0 to 1). The form is that of Park et al., "Generative Agents", UIST 2023, section 4.1.
 */
export function rankMemories(found: readonly FoundMemory[], weights: RankingWeights, nowMs: number): FoundMemory[] {
  const score = ({ memory, similarity }: FoundMemory): number => {
    const ageMs = Math.max(0, nowMs - memory.lastSeenAtMs);
    const recency = 2 ** (-ageMs / weights.recencyHalfLifeMs);
    const surprise = Math.max(0, Math.min(1, memory.surprise ?? NEUTRAL_SURPRISE));
    return weights.similarityWeight * similarity + weights.recencyWeight * recency + weights.surpriseWeight * surprise;
  };
  return found
    .map((one) => ({ one, score: score(one) }))
    .sort((a, b) => b.score - a.score)
    .map(({ one }) => one);
}

/** The first `limit` that fit into `maxTokens` together; one that does not fit is passed over for shorter ones. */
export function takeWithinBudget<T>(
  ranked: readonly T[],
  { limit, maxTokens }: { readonly limit: number; readonly maxTokens: number },
  tokensOf: (item: T) => number,
): T[] {
  const taken: T[] = [];
  let room = maxTokens;
  for (const item of ranked) {
    if (taken.length >= limit) break;
    const tokens = tokensOf(item);
    if (tokens > room) continue;
    taken.push(item);
    room -= tokens;
  }
  return taken;
}
