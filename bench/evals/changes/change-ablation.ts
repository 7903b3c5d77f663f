import type { INestApplicationContext } from '@nestjs/common';
import { FEATURES, featuresOf } from '../../../src/memory/index.js';
import { ProgressBar } from '../../../src/observability/index.js';
import { PerplexityScorer, type TextScore, VorpalClient } from '../../../src/vorpal/index.js';
import { PENALTY } from './change-fit.js';
import { type ChangePair, differenceOfPair, type EmbeddedPair, isChange } from './change-pairs.js';
import { areaOf, formatInterval, type Judged, withInterval } from './classification.js';
import { fitLogisticRegression, predict } from './logistic-regression.js';
import { formatTable, print, round } from '../../figures/report.js';

const PAIRS_PER_CALL = 8;
const SCORING_LIMIT_MS = 300_000;
// A token that the model did not expect at all, in nats; beyond that nothing more is said.
const MOST_NATS = 12;

const MODEL_FEATURES = ['informationGain', 'peakGiven', 'greatestLoss'] as const;

/**
 * What the features are worth, alone and together, and with what the language model tells of the newer text after the
 * older one: fitted on one part, reported on the others.
 */
export async function compareFeatures(app: INestApplicationContext, pairs: readonly EmbeddedPair[]): Promise<void> {
  const client = app.get(VorpalClient);
  const tokensBefore = client.scoringTokens;
  const told = await scorePairs(app.get(PerplexityScorer), pairs);
  const tokens = (client.scoringTokens - tokensBefore) / pairs.length;
  const rows = pairs.map((pair, index) => ({
    pair,
    features: { ...featuresOf(differenceOfPair(pair), pair.cosine), ...told[index] },
  }));
  const sets: [string, readonly string[]][] = [
    ['cosine', FEATURES.cosine],
    ['cosine, shared words', [...FEATURES.cosine, 'sharedWords']],
    ['information gain', ['informationGain']],
    ['all of the model', MODEL_FEATURES],
    ['cosine, shared words, information gain', [...FEATURES.cosine, 'sharedWords', 'informationGain']],
    ['words', FEATURES.words],
    ['words, cosine', [...FEATURES.words, ...FEATURES.cosine]],
    ['words, cosine, information gain', [...FEATURES.words, ...FEATURES.cosine, 'informationGain']],
    ['words, cosine, all of the model', [...FEATURES.words, ...FEATURES.cosine, ...MODEL_FEATURES]],
  ];
  const table = sets.map(([name, names]) => {
    const examples = rows.map(({ pair, features }) => ({
      part: pair.part,
      kind: pair.kind,
      isPositive: isChange(pair),
      features: names.map((feature) => (features as Record<string, number>)[feature] ?? 0),
    }));
    const model = fitLogisticRegression(
      examples.filter(({ part, kind }) => part === 'fit' && kind !== 'unpaired'),
      PENALTY,
    );
    const judged = examples
      .filter(({ part, kind }) => part !== 'fit' && kind !== 'unpaired')
      .map((one): Judged => ({ score: predict(model, one.features), isMarked: false, isPositive: one.isPositive }));
    return [name, formatInterval(withInterval(judged, areaOf))];
  });
  print(`\n${formatTable(['features', 'AUC'], table)}`);
  print(`The language model reads ${round(tokens, 1)} tokens a pair for its part.`);
}

async function scorePairs(scorer: PerplexityScorer, pairs: readonly ChangePair[]): Promise<Record<string, number>[]> {
  const bar = new ProgressBar('scoring pairs', pairs.length);
  const features: Record<string, number>[] = [];
  for (let start = 0; start < pairs.length; start += PAIRS_PER_CALL) {
    const chunk = pairs.slice(start, start + PAIRS_PER_CALL);
    const scores = await scorer.score(
      chunk.flatMap(({ before, after }) => [{ text: after }, { text: after, context: `Earlier: ${before}\n` }]),
      { signal: AbortSignal.timeout(SCORING_LIMIT_MS) },
    );
    features.push(...chunk.map((_, index) => modelFeatures(scores[2 * index], scores[2 * index + 1])));
    bar.advance(chunk.length);
  }
  bar.stop();
  return features;
}

/**
 * `informationGain`: the share of what the newer text tells that the older one told already, `1 − I(new | old) /
 * I(new)`. `peakGiven`: the most unexpected token after the older text. `greatestLoss`: by how much the older text made
 * one less likely, since the model expected another there.
 */
function modelFeatures(
  plain: TextScore | undefined,
  given: TextScore | undefined,
): Record<(typeof MODEL_FEATURES)[number], number> {
  const nats = (given?.tokens ?? []).flatMap(({ logprob }, index) => {
    const alone = plain?.tokens[index]?.logprob ?? null;
    return logprob === null || alone === null
      ? []
      : [{ alone: Math.min(MOST_NATS, -alone), given: Math.min(MOST_NATS, -logprob) }];
  });
  const own = nats.reduce((sum, { alone }) => sum + alone, 0);
  const left = nats.reduce((sum, one) => sum + one.given, 0);
  return {
    informationGain: own > 0 ? Math.max(-1, 1 - left / own) : 0,
    peakGiven: Math.log1p(Math.max(0, ...nats.map((one) => one.given))),
    greatestLoss: Math.log1p(Math.max(0, ...nats.map((one) => one.given - one.alone))),
  };
}
