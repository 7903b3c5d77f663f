import {
  type ChangeModel,
  type ChangeModels,
  type Feature,
  FEATURES,
  featuresOf,
  isTalk,
} from '../../../src/memory/index.js';
import { differenceOfPair, type EmbeddedPair, isChange } from './change-pairs.js';
import { type Judged, thresholdFor } from './classification.js';
import { type Example, fitLogisticRegression, predict } from './logistic-regression.js';
import { round } from '../../figures/report.js';

export const PENALTY = 5;
// Each part is judged by a model of the other parts, so that the threshold is not of pairs that were learned by heart;
// parted in several ways, it does not hang on one pair.
const FOLDS = [5, 7, 10, 13, 20];
// What is marked wrongly is ranked lower without a reason: as sure as may be, while this share of what changed is
// found.
const RECALL_SOUGHT = 0.7;
const DIGITS = 3;

interface LabelledPair extends Example {
  /** Never taken for a change, so that nothing is learned from it. */
  readonly isTalk: boolean;
}

/** One model for pairs with a cosine, and one for those without. */
export function fitChangeModels(pairs: readonly EmbeddedPair[]): ChangeModels {
  return {
    words: fitModel(pairs, FEATURES.words),
    wordsAndCosine: fitModel(pairs, [...FEATURES.words, ...FEATURES.cosine]),
  };
}

function fitModel(pairs: readonly EmbeddedPair[], names: readonly Feature[]): ChangeModel {
  const all = pairs.map((pair): LabelledPair => {
    const difference = differenceOfPair(pair);
    const features = featuresOf(difference, pair.cosine);
    return {
      features: names.map((name) => features[name] ?? 0),
      isPositive: isChange(pair),
      isTalk: isTalk(difference),
    };
  });
  const examples = all.filter((example) => !example.isTalk);
  const { intercept, weights } = fitLogisticRegression(examples, PENALTY);
  return {
    intercept: round(intercept, DIGITS),
    weights: Object.fromEntries(names.map((name, index) => [name, round(weights[index] ?? 0, DIGITS)])),
    threshold: round(thresholdFor(crossValidated(all), RECALL_SOUGHT), DIGITS),
  };
}

/** Every pair as models judge it that were fitted without it, once for each way to part them. */
function crossValidated(all: readonly LabelledPair[]): Omit<Judged, 'isMarked'>[] {
  return FOLDS.flatMap((folds) => {
    const models = Array.from({ length: folds }, (_, fold) =>
      fitLogisticRegression(
        all.filter((example, index) => !example.isTalk && index % folds !== fold),
        PENALTY,
      ),
    );
    return all.flatMap(({ features, isPositive, isTalk: isLeftOut }, index) => {
      const model = models[index % folds];
      return model ? [{ score: isLeftOut ? 0 : predict(model, features), isPositive }] : [];
    });
  });
}
