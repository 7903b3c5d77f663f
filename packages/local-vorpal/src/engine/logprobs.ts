/** A token's logprob, in nats. */
export interface TokenLogprob {
  readonly token: number;
  readonly logprob: number;
}

/** What the model said about one position before it saw the token that stands there. */
export interface PositionLogprobs extends TokenLogprob {
  /** The actual token first, then the most likely ones; a token of both appears once. */
  readonly top: readonly TokenLogprob[];
}

/** Some logits of one position. They must include the largest and the actual token's. */
export interface PositionLogits {
  readonly logits: ReadonlyMap<number, number>;
  /** `Σ exp(logit − largest logit)` over the whole vocabulary. */
  readonly totalWeight: number;
}

/** JSON has no infinity; vLLM answers this number for it. */
const LEAST_LOGPROB = -9999;

/**
 * Exact log-softmax of one position: `logit − largest − ln Σ exp(logit − largest)`.
 * @param alternatives how many of the most likely tokens to list
 * @throws RangeError where the model's output is not a number
 */
export function positionLogprobs(
  { logits, totalWeight }: PositionLogits,
  actual: number,
  alternatives: number,
): PositionLogprobs {
  const ranked = [...logits].sort(([, a], [, b]) => b - a);
  const largest = ranked[0]?.[1] ?? NaN;
  const logprobOf = (logit: number): number => {
    const logprob = logit - largest - Math.log(totalWeight);
    if (Number.isNaN(logprob)) throw new RangeError('The model returned NaN for a logprob. Check its file.');
    return Math.max(logprob, LEAST_LOGPROB);
  };
  const own = { token: actual, logprob: logprobOf(logits.get(actual) ?? NaN) };
  const others = ranked
    .slice(0, alternatives)
    .filter(([token]) => token !== actual)
    .map(([token, logit]) => ({ token, logprob: logprobOf(logit) }));
  return { ...own, top: [own, ...others] };
}
