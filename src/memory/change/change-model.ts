import { type Feature, featuresOf, isTalk, type TextPair } from './change-features.js';

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

/** How likely the newer text of a pair makes the older one out of date. */
export function scoreChange(pair: TextPair, models: ChangeModels): ChangeScore {
  if (isTalk(pair.before, pair.after)) return { probability: 0, isChange: false };
  const model = pair.cosine === null ? models.words : models.wordsAndCosine;
  const probability = probabilityOf(featuresOf(pair), model);
  return { probability, isChange: probability >= model.threshold };
}

function probabilityOf(features: Partial<Record<Feature, number>>, { intercept, weights }: ChangeModel): number {
  const names = Object.keys(weights) as Feature[];
  const sum = names.reduce((total, name) => total + (weights[name] ?? 0) * (features[name] ?? 0), intercept);
  return 1 / (1 + Math.exp(-sum));
}
