import { hasFittedCosines } from '../embedding/fitted-embedder.js';
import type { FoundMemory, SearchMode } from '../memory.js';
import type { Candidate } from '../store/memory-store.port.js';
import { proseOf } from '../embedding/prose.js';
import { isStandingInstruction } from './standing-instructions.js';

/** Most candidates of each kind. More do not raise the recall (docs/evaluation.md). */
export const CANDIDATES = 50;

export interface RankingOptions {
  readonly mode: SearchMode;
  /** The model of the vectors. The spread of cosines differs between models. */
  readonly embeddingModel: string;
  /** Whether the vector of a text tells its meaning; if not given, all do. */
  readonly isReadable?: (text: string) => boolean;
}

type Scored = Omit<FoundMemory, 'score'>;
type Score = (found: Scored) => number;

// The cosines of MiniLM have a spread of 0.13 among the candidates of a question, and BM25 one of 3.
const MINILM_BM25_SHARE = 1 / 24;
const WORDS_WEIGHT = 0.7;
// Standing instructions matter to messages with quite other words, so the best of them are lifted. Only the best three,
// because each takes the place of a fact.
const MOST_LIFTED = 3;
const LIFT = 1 / 3;
// The same vector gives the same cosine but for rounding.
const EQUAL_COSINES = 1e-6;

/**
 * Ranks candidates, best first, without those that match neither by meaning nor by words. The hybrid score is
 * `cosine + bm25 / 24` for all-MiniLM-L6-v2. For any other model it is the sum of cosine and 0.7 times BM25, both
 * scaled from 0 for the lowest of the candidates to 1 for the highest. The best three standing instructions are lifted
 * by a third of the range of the scores. The successor of a memory ranks right before it,
 * if not higher.
 */
export function rankCandidates(candidates: readonly Candidate[], options: RankingOptions): FoundMemory[] {
  const found = withoutEmptyCosines(candidates, options).filter((one) => hasEvidence(one, options.mode));
  const scoreOf = scoreFor(found, options);
  const ranked = found.map((one) => ({ ...one, score: scoreOf(one) })).sort(byScoreThenNewest);
  return behindSuccessors(options.mode === 'hybrid' ? withLifted(ranked) : ranked);
}

function withLifted(ranked: readonly FoundMemory[]): readonly FoundMemory[] {
  const standing = ranked.filter(isInForce).slice(0, MOST_LIFTED);
  if (standing.length === 0) return ranked;
  const lift = LIFT * ((ranked[0]?.score ?? 0) - (ranked.at(-1)?.score ?? 0));
  return ranked
    .map((one) => (standing.includes(one) ? { ...one, score: one.score + lift } : one))
    .sort(byScoreThenNewest);
}

const isInForce = ({ memory }: FoundMemory): boolean =>
  memory.role === 'user' && memory.supersededBy === null && isStandingInstruction(memory.text);

function scoreFor(found: readonly Scored[], { mode, embeddingModel }: RankingOptions): Score {
  const cosines = found.flatMap(({ cosine }) => cosine ?? []);
  const lowest = cosines.length === 0 ? 0 : Math.min(...cosines);
  const cosineOf = ({ cosine }: Scored): number => cosine ?? lowest;
  if (mode === 'dense') return cosineOf;
  if (mode === 'lexical') return bm25Of;
  if (hasFittedCosines(embeddingModel)) return (one) => cosineOf(one) + bm25Of(one) * MINILM_BM25_SHARE;
  const byMeaning = scaled(found, cosineOf);
  const byWords = scaled(found, bm25Of);
  return (one) => byMeaning(one) + WORDS_WEIGHT * byWords(one);
}

/** From 0 for the lowest to 1 for the highest; 0 if all are the same. */
function scaled(found: readonly Scored[], score: Score): Score {
  const scores = found.map(score);
  const lowest = Math.min(...scores);
  const range = Math.max(...scores) - lowest;
  return (one) => (range === 0 ? 0 : (score(one) - lowest) / range);
}

const bm25Of = ({ bm25 }: Scored): number => bm25 ?? 0;

function hasEvidence(one: Scored, mode: SearchMode): boolean {
  const isMeant = mode !== 'lexical' && one.cosine !== null;
  return isMeant || (mode !== 'dense' && bm25Of(one) > 0);
}

/** An embedder that cannot read texts gives unequal ones the same vector, and then their cosines say nothing. */
function withoutEmptyCosines(candidates: readonly Candidate[], { isReadable }: RankingOptions): Scored[] {
  const ordered = candidates.toSorted((a, b) => (a.cosine ?? 0) - (b.cosine ?? 0));
  const empty = new Set<Candidate>();
  for (const [index, one] of ordered.entries()) {
    if (isReadable?.(one.memory.text) === false) empty.add(one);
    const next = ordered[index + 1];
    if (next === undefined || !isSameCosine(one, next) || lettersOf(one) === lettersOf(next)) continue;
    empty.add(one).add(next);
  }
  return candidates.map((one) => (empty.has(one) ? { ...one, cosine: null } : one));
}

const isSameCosine = (a: Candidate, b: Candidate): boolean =>
  a.cosine !== null && b.cosine !== null && Math.abs(a.cosine - b.cosine) <= EQUAL_COSINES;

/** Of what is embedded, what embedders do not look past: they may well fold case, accents and punctuation. */
const lettersOf = ({ memory }: Candidate): string =>
  proseOf(memory.text)
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}]/gu, '');

function byScoreThenNewest(a: FoundMemory, b: FoundMemory): number {
  return b.score - a.score || b.memory.lastSeenAtMs - a.memory.lastSeenAtMs;
}

/** Puts the successor of a superseded memory right before it, with its score. */
function behindSuccessors(ranked: readonly FoundMemory[]): FoundMemory[] {
  const byId = new Map(ranked.map((found) => [found.memory.id, found]));
  const placed = new Set<FoundMemory>();
  const result: FoundMemory[] = [];
  for (const found of ranked) {
    const chain: FoundMemory[] = [];
    for (let one: FoundMemory | undefined = found; one && !placed.has(one);) {
      placed.add(one);
      chain.unshift(one);
      const id: string | undefined = one.memory.supersededBy?.id;
      one = id === undefined ? undefined : byId.get(id);
    }
    result.push(...chain.map((one) => ({ ...one, score: Math.max(one.score, found.score) })));
  }
  return result;
}
