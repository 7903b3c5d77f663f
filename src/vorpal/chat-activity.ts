// Who has just read an answer may ask on: what was begun for want of chats in between would meet the next one.
const LINGER_MS = 2_000;
// With an older count to compare with, the chats in between may be long over.
const COUNT_LASTS_MS = 10_000;

/** Whether chats are under way at Vorpal: those of this process, and those that Vorpal's own metrics show. */
export class ChatActivity {
  private underWay = 0;
  private lastSeenMs = -Infinity;
  private lastCount: { readonly value: number; readonly atMs: number } | undefined;

  /** @param ended called whenever a chat of this process has ended */
  constructor(private readonly ended: () => void) {}

  /** For how long from now chats are taken to be under way: 0 if none is, `Infinity` while one of this process is. */
  get lastsMs(): number {
    return this.underWay > 0 ? Infinity : Math.max(0, this.lastSeenMs + LINGER_MS - performance.now());
  }

  /** A chat of this process begins. @returns what its end is told with */
  begin(): () => void {
    this.underWay += 1;
    // The server counts this one as well.
    this.lastCount = undefined;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.underWay -= 1;
      this.lastSeenMs = performance.now();
      this.ended();
    };
  }

  /**
   * Takes note of how many tokens Vorpal has generated after the first one of an answer. A scoring request has no second
   * token, whoever sent it: if there are more than at the last look, somebody chats.
   */
  observeLaterTokens(value: number): void {
    const atMs = performance.now();
    const last = this.lastCount;
    this.lastCount = { value, atMs };
    if (last !== undefined && value > last.value && atMs - last.atMs <= COUNT_LASTS_MS) this.lastSeenMs = atMs;
  }
}
