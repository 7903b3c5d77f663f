import { type Feature, featuresOf, isTalk } from './change-features.js';
import type { TextDifference } from './text-difference.js';

/** Logistic regression: `P(changed) = 1 / (1 + exp(-(intercept + Σ weight · feature)))`. */
export interface ChangeModel {
  readonly intercept: number;
  readonly weights: Readonly<Partial<Record<Feature, number>>>;
  /** From this probability on a pair counts as changed. */
  readonly threshold: number;
}

/** By what is known of a pair: its words always. */
export interface ChangeModels {
  readonly words: ChangeModel;
  readonly wordsAndCosine: ChangeModel;
}

export interface ChangeScore {
  /** That the newer text says something else of the same thing, 0 to 1. */
  readonly probability: number;
  /** Whether that is sure enough to say so. */
  readonly isChange: boolean;
}

/**
 * How likely the newer one of two texts makes the older one out of date.
 * @param cosine of their vectors; `null` where it says nothing
 */
export function scoreChange(difference: TextDifference, cosine: number | null, models: ChangeModels): ChangeScore {
  if (isTalk(difference)) return { probability: 0, isChange: false };
  const model = cosine === null ? models.words : models.wordsAndCosine;
  const probability = probabilityOf(featuresOf(difference, cosine), model);
  return { probability, isChange: probability >= model.threshold };
}

function probabilityOf(features: Partial<Record<Feature, number>>, { intercept, weights }: ChangeModel): number {
  const names = Object.keys(weights) as Feature[];
  const sum = names.reduce((total, name) => total + (weights[name] ?? 0) * (features[name] ?? 0), intercept);
  return 1 / (1 + Math.exp(-sum));
}
