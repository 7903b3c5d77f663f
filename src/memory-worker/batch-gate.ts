// So that the next batches are at hand, tokenized, when one has been sent. They take turns at Vorpal: one with a long text
// does not hold up the rest, and with many more at once each would end when all do.
const LEAST_WAITING = 4;

/** One batch begun. */
export interface BatchPass {
  /** The last of its scoring requests has been sent. */
  sent(): void;
  ended(): void;
}

/**
 * How many batches may be begun: as many as find their turn at Vorpal, and a few that wait for one. What
 * Vorpal can take is the affair of whoever gives the turns; a batch that would only wait stays in the stream, where another
 * worker may take it.
 */
export class BatchGate {
  private begun = 0;
  private beingSent = 0;

  /** @param max most batches; each holds its texts and the answer in memory */
  constructor(private readonly max: number) {}

  get inFlight(): number {
    return this.begun;
  }

  /** How many may be begun now. As many may wait as have been sent: with each turn given their number can double. */
  get room(): number {
    const waiting = this.begun - this.beingSent;
    return Math.max(0, Math.min(this.max - this.begun, Math.max(LEAST_WAITING, this.beingSent) - waiting));
  }

  /** @param changed called whenever there may be more room */
  begin(changed: () => void): BatchPass {
    this.begun += 1;
    let isSent = false;
    let isOver = false;
    return {
      sent: () => {
        if (isSent || isOver) return;
        isSent = true;
        this.beingSent += 1;
        changed();
      },
      ended: () => {
        if (isOver) return;
        isOver = true;
        this.begun -= 1;
        if (isSent) this.beingSent -= 1;
        changed();
      },
    };
  }
}
