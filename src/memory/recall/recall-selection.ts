import { estimateTokens } from '../../shared/index.js';
import { excerpt } from './excerpt.js';
import { quotedText } from './quoted-text.js';
import type { FoundMemory, Memory } from '../memory.js';
import { textDigest } from '../remember/text-digest.js';

/** A memory as it goes into a prompt. */
export interface RecalledMemory extends FoundMemory {
  /** The quoted part: its text, or, if that is too long, the part around the matched terms. */
  readonly quotation: string;
  /** The id of its successor, which goes into the prompt with it; `null` if it is current itself. */
  readonly currentId: string | null;
}

export interface RecallBudget {
  /** Most memories. */
  readonly limit: number;
  /** Most tokens of all lines: quotations and frames. */
  readonly maxTokens: number;
}

// The tokens of a memory's line in the prompt without its words: date, age and quotes; the speaker, if not the user;
// the date since which it no longer holds, with the mark of its successor. The spec of the lines checks these limits.
const DATE_TOKENS = 14;
const SPEAKER_TOKENS = 8;
const OUTDATED_TOKENS = 16;
// The largest share of the budget for one memory: an answer needs several memories more often than all of a long one.
// In a small budget one memory may take up to 200 tokens.
const LARGEST_SHARE = 0.2;
const LARGEST_AT_LEAST_TOKENS = 200;
// Less than a sentence says nothing.
const LEAST_TOKENS = 16;

/** Most tokens, by estimate, that the line of a memory takes besides its words. */
export const frameTokens = ({ role, supersededBy }: Memory): number =>
  DATE_TOKENS + (role === 'user' ? 0 : SPEAKER_TOKENS) + (supersededBy === null ? 0 : OUTDATED_TOKENS);

/**
 * Selects the memories that go into a prompt, best first. Equal texts go in once. A superseded memory goes in after its
 * successor, and only if there is room for both. A text that is too long is cut; it is left out only if there is no
 * room for a sentence of it.
 * @param ranked best first
 * @param currentOf what holds now in the place of a superseded memory, by its id
 * @param said texts that stand in the prompt anyway
 */
export function selectMemories(
  ranked: readonly FoundMemory[],
  currentOf: ReadonlyMap<string, Memory>,
  said: readonly string[],
  { limit, maxTokens }: RecallBudget,
): RecalledMemory[] {
  const taken: RecalledMemory[] = [];
  const ids = new Set<string>();
  const known = new Set(said.map(digestOf));
  const largest = Math.max(maxTokens * LARGEST_SHARE, LARGEST_AT_LEAST_TOKENS);
  let room = maxTokens;

  const take = (found: FoundMemory, currentId: string | null): boolean => {
    if (ids.has(found.memory.id)) return true;
    if (taken.length >= limit) return false;
    const frame = frameTokens(found.memory);
    const quotation = quotationOf(found, Math.floor(Math.min(room, largest)) - frame);
    if (quotation === undefined) return false;
    taken.push({ ...found, quotation, currentId });
    ids.add(found.memory.id);
    known.add(digestOf(found.memory.text));
    room -= frame + quotedTokens(quotation);
    return true;
  };

  const byId = new Map(ranked.map((found) => [found.memory.id, found]));
  for (const found of ranked) {
    if (known.has(digestOf(found.memory.text))) continue;
    const current = currentOf.get(found.memory.id);
    // Also if the successor was just said: without it the older memory would seem to hold.
    if (current && !take(byId.get(current.id) ?? broughtAlong(current, found), null)) continue;
    take(found, current?.id ?? null);
  }
  return taken;
}

/** `undefined` if too little of it would fit. */
function quotationOf({ memory, matchedTerms }: FoundMemory, maxTokens: number): string | undefined {
  if (quotedTokens(memory.text) <= maxTokens) return memory.text;
  return maxTokens < LEAST_TOKENS ? undefined : excerpt(memory.text, matchedTerms, maxTokens, quotedTokens);
}

/** The tokens of the text as it is sent, with its escapes. */
const quotedTokens = (text: string): number => estimateTokens(quotedText(text));

/** A successor that the search did not find: it takes the score of the memory that it replaced. */
const broughtAlong = (memory: Memory, { score }: FoundMemory): FoundMemory => ({
  memory,
  cosine: null,
  bm25: null,
  matchedTerms: [],
  score,
});

/** Who said it makes no difference here. */
const digestOf = (value: string): string => textDigest({ role: 'user', text: value });
