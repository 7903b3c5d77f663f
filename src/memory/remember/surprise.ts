import type { SurpriseMode } from '../memory.js';

/** The two sides of surprise of one message. */
export interface Surprisal {
  /** How unexpected its words are to the language model; `null` if it could not be scored. */
  readonly perplexity: number | null;
  /** The same as a sum instead of a mean, `-Σ logprob` in nats: how much there is of it. `null` with `perplexity`. */
  readonly informationNats: number | null;
  /** Cosine distance to the nearest memory of the user, 0 to 2; 1 if there is none. */
  readonly novelty: number;
}

export interface SurpriseRule {
  readonly surpriseMode: SurpriseMode;
  readonly perplexityWeight: number;
  readonly noveltyWeight: number;
  readonly perplexityDivisor: number;
  readonly threshold: number;
  readonly keepRate: number;
  readonly adaptiveNoveltyWeight: number;
  readonly warmUpMessages: number;
  readonly halfLifeMessages: number;
}

export interface Verdict {
  readonly surprise: number;
  readonly threshold: number;
  /** The mode that judged: `fixed` also during the warm-up of `adaptive`. */
  readonly mode: SurpriseMode;
  readonly kept: boolean;
}

/** Running distribution of a user's messages under one language model. */
export interface SurpriseDistribution {
  /** Messages it is made of, each weighted by its age. */
  readonly messages: number;
  /** Of the logarithm of the information: it is a sum over tokens, and near to log-normal. */
  readonly logInformation: Spread;
  readonly novelty: Spread;
  /** Pearson correlation of the two. */
  readonly correlation: number;
}

interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

// Below it everything was alike so far, and a z-score would blow rounding up to a surprise.
const LEAST_DEVIATION = 1e-6;

// A z-score beyond it says no more: one message of a thousand times the usual length must not outweigh everything else.
const MOST_DEVIATIONS = 4;
// A single token that the model was sure of has next to no information; its logarithm must stay a number.
const LEAST_NATS = 1e-6;

/**
 * Weighted sums from which {@link distributionOf} reads: of 1, x, x², n, n², x·n over messages that were scored (x: log
 * information, n: novelty), and of 1, n, n² over those that were not.
 */
export function statisticsAddends({ informationNats, novelty }: Surprisal): number[] {
  if (informationNats === null) return [0, 0, 0, 0, 0, 0, 1, novelty, novelty ** 2];
  const x = logInformationOf(informationNats);
  return [1, x, x ** 2, novelty, novelty ** 2, x * novelty, 0, 0, 0];
}

const logInformationOf = (nats: number): number => Math.log(Math.max(LEAST_NATS, nats));

/** The factor by which older messages lose weight with each new one, so that it is a half after `halfLifeMessages`. */
export function decayOf(halfLifeMessages: number): number {
  return 2 ** (-1 / halfLifeMessages);
}

/**
 * How many messages a decayed count of them stands for: the inverse of the geometric sum `(1 - d^n) / (1 - d)`, which
 * alone would never reach a warm-up longer than `1 / (1 - d)`.
 */
export function messagesBehind(decayedCount: number, halfLifeMessages: number): number {
  const decay = decayOf(halfLifeMessages);
  const left = 1 - decayedCount * (1 - decay);
  return left <= 0 ? Infinity : Math.log(left) / Math.log(decay);
}

/** Mean and deviation from decayed sums; see {@link statisticsAddends}. */
export function distributionOf(sums: readonly number[]): SurpriseDistribution {
  const [scored = 0, x = 0, xx = 0, n = 0, nn = 0, xn = 0, unscored = 0, un = 0, unn = 0] = sums;
  const messages = scored + unscored;
  const logInformation = spread(scored, x, xx);
  const novelty = spread(messages, n + un, nn + unn);
  const covariance = scored === 0 ? 0 : xn / scored - (x / scored) * (n / scored);
  const scale = logInformation.deviation * spread(scored, n, nn).deviation;
  const correlation = scale < LEAST_DEVIATION ** 2 ? 0 : Math.max(-1, Math.min(1, covariance / scale));
  return { messages, logInformation, novelty, correlation };
}

function spread(weight: number, sum: number, squares: number): Spread {
  if (weight === 0) return { mean: 0, deviation: 0 };
  const mean = sum / weight;
  // Rounding can make the difference of two nearly equal numbers negative.
  return { mean, deviation: Math.sqrt(Math.max(0, squares / weight - mean ** 2)) };
}

/**
 * Whether a message is worth keeping.
 *
 * Mode `fixed`: `w_p · min(1, ln(perplexity + 1) / divisor) + w_n · novelty ≥ threshold`, or novelty alone if there is
 * no perplexity. Mode `adaptive`, after its warm-up: the weighted sum of log information and novelty as z-scores of
 * `distribution`, scaled to unit deviation; its percentile under a normal distribution has to be in the upper
 * `keepRate`. docs/decisions/0007 says why it uses information, and what else was tried. Mode `all` keeps everything,
 * and computes the surprise only to show it.
 */
export function judge(surprisal: Surprisal, rule: SurpriseRule, distribution: SurpriseDistribution): Verdict {
  const warm = Math.round(messagesBehind(distribution.messages, rule.halfLifeMessages)) >= rule.warmUpMessages;
  const verdict =
    rule.surpriseMode !== 'fixed' && warm
      ? judgeAdaptively(surprisal, rule, distribution)
      : judgeFixedly(surprisal, rule);
  return rule.surpriseMode === 'all' ? { ...verdict, threshold: 0, mode: 'all', kept: true } : verdict;
}

function judgeFixedly({ perplexity, novelty }: Surprisal, rule: SurpriseRule): Verdict {
  const { perplexityWeight, noveltyWeight, perplexityDivisor, threshold } = rule;
  const surprise =
    perplexity === null
      ? novelty
      : perplexityWeight * Math.min(1, Math.log(perplexity + 1) / perplexityDivisor) + noveltyWeight * novelty;
  return { surprise, threshold, mode: 'fixed', kept: surprise >= threshold };
}

function judgeAdaptively(
  { informationNats, novelty }: Surprisal,
  rule: SurpriseRule,
  known: SurpriseDistribution,
): Verdict {
  const noveltyZ = zScore(novelty, known.novelty);
  const z =
    informationNats === null
      ? noveltyZ
      : combine(
          zScore(logInformationOf(informationNats), known.logInformation),
          noveltyZ,
          rule.adaptiveNoveltyWeight,
          known.correlation,
        );
  const surprise = normalCdf(z);
  const threshold = 1 - rule.keepRate;
  return { surprise, threshold, mode: 'adaptive', kept: surprise >= threshold };
}

/** The weighted sum of two z-scores, brought to unit variance: `Var(aX + bY) = a² + b² + 2abρ`. */
function combine(informationZ: number, noveltyZ: number, noveltyWeight: number, correlation: number): number {
  const [a, b] = [1 - noveltyWeight, noveltyWeight];
  const variance = a ** 2 + b ** 2 + 2 * a * b * correlation;
  return variance < LEAST_DEVIATION ? 0 : (a * informationZ + b * noveltyZ) / Math.sqrt(variance);
}

function zScore(value: number, { mean, deviation }: Spread): number {
  if (deviation < LEAST_DEVIATION) return 0;
  return Math.max(-MOST_DEVIATIONS, Math.min(MOST_DEVIATIONS, (value - mean) / deviation));
}

/**
 * Cumulative distribution of the standard normal, to 1.5e-7.
 * Source: Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26 (error function).
 */
export function normalCdf(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const erf = 1 - series * Math.exp(-(x ** 2));
  return z >= 0 ? (1 + erf) / 2 : (1 - erf) / 2;
}
