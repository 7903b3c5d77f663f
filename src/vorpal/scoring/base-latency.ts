// Half of what is known is from the last seven requests: while it is a mixture of two speeds of a server, it misleads.
const REMEMBERED = 0.9;
// Requests that find about the same at the server say nothing about what less of it would take.
const LEAST_SPREAD = 0.1;

/**
 * What a request takes at a server apart from the tokens it finds and brings there: the way to it, and whatever it does
 * for any request. The intercept of latency over tokens, by least squares with exponential forgetting; 0 until requests
 * have differed enough to tell.
 */
export class BaseLatency {
  private weight = 0;
  private meanTokens = 0;
  private meanMs = 0;
  /** Weighted sums of squares and products of the deviations from the means. */
  private squares = 0;
  private products = 0;
  private currentMs = 0;

  get ms(): number {
    return this.currentMs;
  }

  /** @param tokens at the server when the request had been sent, its own included */
  observe(tokens: number, latencyMs: number): void {
    this.weight = REMEMBERED * this.weight + 1;
    const fromMeanTokens = tokens - this.meanTokens;
    this.meanTokens += fromMeanTokens / this.weight;
    this.meanMs += (latencyMs - this.meanMs) / this.weight;
    this.squares = REMEMBERED * this.squares + fromMeanTokens * (tokens - this.meanTokens);
    this.products = REMEMBERED * this.products + fromMeanTokens * (latencyMs - this.meanMs);
    const spread = Math.sqrt(this.squares / this.weight);
    if (spread < LEAST_SPREAD * this.meanTokens) return;
    const msPerToken = Math.max(0, this.products / this.squares);
    this.currentMs = Math.max(0, this.meanMs - msPerToken * this.meanTokens);
  }
}
