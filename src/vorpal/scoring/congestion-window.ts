import { BaseLatency } from './base-latency.js';

// The largest request that is let through however slow the server is: it is too small to be worth cutting further.
export const MIN_WINDOW_TOKENS = 256;
// An answer that took many times too long says no more than one that took twice as long: halve, and look again.
const MOST_DECREASE = -0.5;

/** One request that was answered. */
export interface AnsweredRequest {
  readonly tokens: number;
  /** At the server when it had been sent, its own included. */
  readonly tokensAtServer: number;
  readonly latencyMs: number;
  /** How long it should have taken, apart from what any request takes. */
  readonly targetMs: number;
  /** Whether more would have been sent had there been room: a window that nothing has come up against is not tried. */
  readonly wasFull: boolean;
}

/**
 * How many tokens may be at the server at once so that they are worked off in a given time: what is sent later waits
 * about as long behind them. The rule of LEDBAT (RFC 6817), congestion control for traffic that gives way to other
 * traffic: at most doubled with each windowful answered, kept where answers take the target time beyond {@link
 * BaseLatency}, at most halved where longer.
 */
export class CongestionWindow {
  private tokens = MIN_WINDOW_TOKENS;
  private refusedAtMs = -Infinity;
  private readonly base = new BaseLatency();

  /** @param maxTokens each is held in memory, with the answer that comes for it */
  constructor(private readonly maxTokens: number) {}

  get size(): number {
    return Math.floor(this.tokens);
  }

  answered({ tokens, tokensAtServer, latencyMs, targetMs, wasFull }: AnsweredRequest): void {
    this.base.observe(tokensAtServer, latencyMs);
    const workMs = Math.max(0, latencyMs - this.base.ms);
    const change = Math.max(MOST_DECREASE, (targetMs - workMs) / targetMs);
    if (change < 0 || wasFull) this.resize(this.tokens + tokens * change);
  }

  /** The server refused for its load, or did not answer in time, what was sent at `sentAtMs` (`performance.now()`). */
  refused(sentAtMs: number): void {
    // The load at one refusal must not count for the next one.
    if (sentAtMs < this.refusedAtMs) return;
    this.refusedAtMs = performance.now();
    this.resize(this.tokens / 2);
  }

  private resize(tokens: number): void {
    this.tokens = Math.min(Math.max(tokens, MIN_WINDOW_TOKENS), Math.max(this.maxTokens, MIN_WINDOW_TOKENS));
  }
}
