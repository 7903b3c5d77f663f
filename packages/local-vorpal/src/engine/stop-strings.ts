export interface StopScan {
  /** Text that can no longer become part of a stop string. */
  readonly text: string;
  /** The stop string that was found; `text` ends before it. */
  readonly stoppedBy?: string;
}

/** Finds stop strings in text that arrives in pieces, and holds back what may still turn out to be the start of one. */
export class StopStringScanner {
  private held = '';

  constructor(private readonly stops: readonly string[]) {}

  push(piece: string): StopScan {
    const text = this.held + piece;
    const found = this.firstStop(text);
    if (found !== undefined) {
      this.held = '';
      return { text: text.slice(0, found.at), stoppedBy: found.stop };
    }
    const heldLength = Math.max(0, ...this.stops.map((stop) => longestSuffixThatStarts(text, stop)));
    this.held = text.slice(text.length - heldLength);
    return { text: text.slice(0, text.length - heldLength) };
  }

  /** What is still held back, once nothing more will come. */
  flush(): string {
    const text = this.held;
    this.held = '';
    return text;
  }

  private firstStop(text: string): { at: number; stop: string } | undefined {
    return this.stops
      .map((stop) => ({ at: text.indexOf(stop), stop }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at)[0];
  }
}

/** Length of the longest proper beginning of `stop` that `text` ends with. */
function longestSuffixThatStarts(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) {
    if (text.endsWith(stop.slice(0, length))) return length;
  }
  return 0;
}
