import { randomFrom } from '../synthetic/random.js';

/** What was found for a question: ids of turns, best first. */
export interface Finding {
  readonly category: string;
  readonly evidence: readonly string[];
  readonly found: readonly string[];
}

/** A mean over questions with the bounds between which it lies in 95 of 100 resamples of them. */
export interface Estimate {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 1_000;
const SEED = 1;
const TAIL = 0.025;

/** The share of a question's evidence among the first `k` found. */
export function recallAt(k: number, { evidence, found }: Finding): number {
  const top = new Set(found.slice(0, k));
  return evidence.filter((id) => top.has(id)).length / evidence.length;
}

/**
 * 1 if the first `k` hold any turn of a session that holds evidence, else 0: what many publish, and what is nearly
 * always 1.
 * @param sessionOf the session of a turn, by its id
 */
export function anySessionAt(k: number, { evidence, found }: Finding, sessionOf: ReadonlyMap<string, string>): number {
  const wanted = new Set(evidence.map((id) => sessionOf.get(id)));
  return found.slice(0, k).some((id) => wanted.has(sessionOf.get(id))) ? 1 : 0;
}

/** Mean with its 95 % percentile bootstrap interval (Efron and Tibshirani, 1993, chapter 13), resampled by question. */
export function estimate(values: readonly number[]): Estimate {
  if (values.length === 0) return { mean: Number.NaN, low: Number.NaN, high: Number.NaN };
  const random = randomFrom(SEED);
  const means = Array.from({ length: RESAMPLES }, () =>
    mean(values.map(() => values[Math.floor(random() * values.length)] ?? 0)),
  ).sort((a, b) => a - b);
  const at = (share: number): number => means[Math.round(share * (RESAMPLES - 1))] ?? Number.NaN;
  return { mean: mean(values), low: at(TAIL), high: at(1 - TAIL) };
}

export const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
