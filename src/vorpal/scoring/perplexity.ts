export interface Perplexity {
  /** `exp(-avgLogprob)`; `null` if there is nothing sensible to average. */
  readonly perplexity: number | null;
  /** Mean natural-log probability of the tokens that have one. */
  readonly avgLogprob: number | null;
  /** Why `perplexity` is `null`. */
  readonly reason?: string;
}

// vLLM's substitute for -infinity, which JSON cannot represent. As a number it would dominate the mean.
const IMPOSSIBLE_LOGPROB = -9_999;

const unscorable = (reason: string): Perplexity => ({ perplexity: null, avgLogprob: null, reason });

/**
 * Perplexity of a text from its tokens' log-probabilities. `null`s (a first token with nothing before it) do not
 * count.
 */
export function perplexityOf(logprobs: readonly (number | null)[]): Perplexity {
  const scored = logprobs.filter((logprob) => logprob !== null);
  if (logprobs.length === 0) return unscorable('The text has no tokens.');
  if (scored.length === 0)
    return unscorable('The text is a single token with nothing before it that could predict it.');
  if (scored.some((logprob) => logprob <= IMPOSSIBLE_LOGPROB)) {
    return unscorable('The model holds one of the tokens for impossible, so the perplexity is infinite.');
  }
  const avgLogprob = scored.reduce((sum, logprob) => sum + logprob, 0) / scored.length;
  const perplexity = Math.exp(-avgLogprob);
  return Number.isFinite(perplexity)
    ? { perplexity, avgLogprob }
    : unscorable('The perplexity is beyond what a number can hold.');
}

/**
 * How much a text tells that the model did not expect: `-Σ logprob` of its tokens in nats, the sum that `avgLogprob` is
 * the mean of. `null` where there is no mean.
 */
export function informationOf({
  avgLogprob,
  tokens,
}: Pick<Perplexity, 'avgLogprob'> & { readonly tokens: readonly { readonly logprob: number | null }[] }):
  number | null {
  return avgLogprob === null ? null : -avgLogprob * tokens.filter(({ logprob }) => logprob !== null).length;
}
