import {
  type ChangeModel,
  type ChangeModels,
  type Feature,
  FEATURES,
  featuresOf,
  type TextPair,
} from '../memory/index.js';
import { type Judged, thresholdFor } from './classification.js';
import { type Example, fitLogisticRegression, predict } from './logistic-regression.js';
import { round } from './report.js';

/** A pair with what the models are fitted to; its cosine is known. */
export interface LabelledPair extends TextPair {
  readonly isPositive: boolean;
}

export const PENALTY = 5;
// Each part is judged by a model of the other parts, so that the threshold is not of pairs that were learned by heart.
const FOLDS = 10;
// What was fitted is better on its own half than elsewhere, and a wrong mark costs more than a missing one.
const PRECISION_SOUGHT = 0.965;
const DIGITS = 3;

/** One model for pairs with a cosine, and one for those without. */
export function fitChangeModels(pairs: readonly LabelledPair[]): ChangeModels {
  return {
    words: fitModel(pairs, FEATURES.words),
    wordsAndCosine: fitModel(pairs, [...FEATURES.words, ...FEATURES.cosine]),
  };
}

function fitModel(pairs: readonly LabelledPair[], names: readonly Feature[]): ChangeModel {
  const examples = pairs.map((pair): Example => {
    const features = featuresOf(pair);
    return { features: names.map((name) => features[name] ?? 0), isPositive: pair.isPositive };
  });
  const { intercept, weights } = fitLogisticRegression(examples, PENALTY);
  return {
    intercept: round(intercept, DIGITS),
    weights: Object.fromEntries(names.map((name, index) => [name, round(weights[index] ?? 0, DIGITS)])),
    threshold: round(thresholdFor(crossValidated(examples), PRECISION_SOUGHT), DIGITS),
  };
}

/** Every example as a model judges it that was fitted without it. */
export function crossValidated(examples: readonly Example[]): Omit<Judged, 'isMarked'>[] {
  const models = Array.from({ length: FOLDS }, (_, fold) =>
    fitLogisticRegression(
      examples.filter((__, index) => index % FOLDS !== fold),
      PENALTY,
    ),
  );
  return examples.flatMap((example, index) => {
    const model = models[index % FOLDS];
    return model ? [{ score: predict(model, example.features), isPositive: example.isPositive }] : [];
  });
}
