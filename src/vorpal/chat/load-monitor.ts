import { BrainError } from '../../shared/index.js';
import { laterTokensIn } from './server-metrics.js';

// Who has just read an answer may ask on: what was begun for want of chats in between would meet the next one.
const LINGER_MS = 2_000;
// With an older count to compare with, the chats in between may be long over.
const COUNT_LASTS_MS = 10_000;
// A server without metrics would log a refused request four times a second; one that is slow, or down, is asked again
// soon.
const MISSING_PAUSE_MS = 60_000;
const FAILED_PAUSE_MS = 5_000;

/** Whether chats are under way at Vorpal: those of this process, and those that Vorpal's own metrics show. */
export class LoadMonitor {
  /** Called whenever a chat of this process has ended. */
  onChatEnded: () => void = () => undefined;
  private chatsUnderWay = 0;
  private lastSeenMs = -Infinity;
  private lastCount: { readonly value: number; readonly atMs: number } | undefined;
  private pollsAgainAtMs = -Infinity;

  /** @param fetchMetrics the server's metrics in Prometheus' text format; `undefined` if it has none */
  constructor(private readonly fetchMetrics: () => Promise<string | undefined>) {}

  /** For how long from now chats are taken to be under way: 0 if none is, `Infinity` while one of this process is. */
  get chatsLastMs(): number {
    return this.chatsUnderWay > 0 ? Infinity : Math.max(0, this.lastSeenMs + LINGER_MS - performance.now());
  }

  /** A chat of this process begins. @returns a function to call at its end */
  chatBegins(): () => void {
    this.chatsUnderWay += 1;
    // The server counts this one as well.
    this.lastCount = undefined;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.chatsUnderWay -= 1;
      this.lastSeenMs = performance.now();
      this.onChatEnded();
    };
  }

  /** Looks in the server's metrics for chats of others. Never fails: the calls that matter find out what is wrong. */
  async poll(): Promise<void> {
    if (performance.now() < this.pollsAgainAtMs) return;
    let pauseMs = FAILED_PAUSE_MS;
    try {
      const metrics = await this.fetchMetrics();
      const laterTokens = metrics === undefined ? undefined : laterTokensIn(metrics);
      if (laterTokens !== undefined) {
        this.observeLaterTokens(laterTokens);
        return;
      }
      pauseMs = MISSING_PAUSE_MS;
    } catch (error) {
      if (!(error instanceof BrainError)) throw error;
    }
    this.pollsAgainAtMs = performance.now() + pauseMs;
  }

  /**
   * Takes note of how many tokens Vorpal has generated after the first one of an answer. A scoring request has no
   * second token, whoever sent it: if there are more than at the last look, somebody chats.
   */
  private observeLaterTokens(value: number): void {
    const atMs = performance.now();
    const last = this.lastCount;
    this.lastCount = { value, atMs };
    if (last !== undefined && value > last.value && atMs - last.atMs <= COUNT_LASTS_MS) this.lastSeenMs = atMs;
  }
}
