// So that the next batches are at hand, tokenized, when one has been sent. They take turns at Vorpal: one with a long text
// does not hold up the rest, and with many more at once each would end when all do.
const LEAST_WAITING = 4;
// Batches with nothing left to do but for their users' turns, besides those at work. Each holds its texts.
const MAX_IN_LINE = 256;

/** One batch begun. */
export interface BatchPass {
  /** The last of its scoring requests has been sent. */
  sent(): void;
  /** It has had all it needs of Vorpal, and waits for entries of its users that are elsewhere. */
  waits(): void;
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
  private inLine = 0;

  /** @param max most batches; each holds its texts and the answer in memory */
  constructor(private readonly max: number) {}

  get inFlight(): number {
    return this.begun;
  }

  /** Of those in flight, the ones that wait for earlier entries of their users. */
  get waiting(): number {
    return this.inLine;
  }

  /** Whether so many wait that nothing more should be read for now. */
  get isLineFull(): boolean {
    return this.inLine >= MAX_IN_LINE;
  }

  /** How many may be begun now. As many may wait as have been sent: with each turn given their number can double. */
  get room(): number {
    const atWork = this.begun - this.inLine;
    const waiting = atWork - this.beingSent;
    return Math.max(0, Math.min(this.max - atWork, Math.max(LEAST_WAITING, this.beingSent) - waiting));
  }

  /** @param changed called whenever there may be more room */
  begin(changed: () => void): BatchPass {
    this.begun += 1;
    let isSent = false;
    let isInLine = false;
    let isOver = false;
    return {
      sent: () => {
        if (isSent || isInLine || isOver) return;
        isSent = true;
        this.beingSent += 1;
        changed();
      },
      waits: () => {
        if (isInLine || isOver) return;
        isInLine = true;
        this.inLine += 1;
        if (isSent) this.beingSent -= 1;
        changed();
      },
      ended: () => {
        if (isOver) return;
        isOver = true;
        this.begun -= 1;
        if (isInLine) this.inLine -= 1;
        else if (isSent) this.beingSent -= 1;
        changed();
      },
    };
  }
}
