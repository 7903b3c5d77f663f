import { areaUnderCurve } from '../../figures/area-under-curve.js';
import { randomFrom } from '../../synthetic/random.js';

/** What a detector said of an example, and what it is. */
export interface Judged {
  /** Higher is surer. */
  readonly score: number;
  readonly isMarked: boolean;
  readonly isPositive: boolean;
}

export interface Interval {
  readonly value: number;
  /** 95 %, by bootstrap over the examples. */
  readonly low: number;
  readonly high: number;
}

const DRAWS = 1_000;
const SEED = 1;
const TAIL = 0.025;

/** The chance that a positive has a higher score than a negative. `NaN` where one kind is missing. */
export function areaOf(judged: readonly Judged[]): number {
  const scoresOf = (wanted: boolean) =>
    judged.flatMap(({ score, isPositive }) => (isPositive === wanted ? [score] : []));
  return areaUnderCurve(scoresOf(false), scoresOf(true));
}

/** The share of positives among what is marked. `NaN` where nothing is. */
export function precision(judged: readonly Judged[]): number {
  const marked = judged.filter(({ isMarked }) => isMarked);
  return marked.filter(({ isPositive }) => isPositive).length / marked.length;
}

/** The share of positives that are marked. `NaN` without any. */
export function recall(judged: readonly Judged[]): number {
  const positives = judged.filter(({ isPositive }) => isPositive);
  return positives.filter(({ isMarked }) => isMarked).length / positives.length;
}

export function withInterval(judged: readonly Judged[], measure: (judged: readonly Judged[]) => number): Interval {
  const random = randomFrom(SEED);
  const draws = Array.from({ length: DRAWS }, () => {
    const sample = judged.map(() => judged[Math.floor(random() * judged.length)]).filter((one) => one !== undefined);
    return measure(sample);
  }).filter((value) => !Number.isNaN(value));
  draws.sort((a, b) => a - b);
  const at = (share: number) => draws[Math.min(draws.length - 1, Math.floor(share * draws.length))] ?? Number.NaN;
  return { value: measure(judged), low: at(TAIL), high: at(1 - TAIL) };
}

export const formatInterval = ({ value, low, high }: Interval): string =>
  `${value.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;

/** The highest score from which on at least `atLeast` of the positives are marked; 1 if there is no such score. */
export function thresholdFor(judged: readonly Omit<Judged, 'isMarked'>[], atLeast: number): number {
  const scores = judged.flatMap(({ score, isPositive }) => (isPositive ? [score] : [])).sort((a, b) => b - a);
  return scores[Math.ceil(atLeast * scores.length) - 1] ?? 1;
}
