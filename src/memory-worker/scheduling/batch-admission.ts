// The next batches are tokenized and ready when one has been sent. They take turns at Vorpal, so a long text does not
// hold up the rest; with many more, all would end at the same late moment.
const MIN_QUEUED = 4;

// Batches that only wait for earlier entries of their users, beside those that need Vorpal. Each holds its texts.
const MAX_BLOCKED = 256;

/** A batch that was admitted. Each method has an effect once. */
export interface AdmittedBatch {
  /** Its last scoring request was sent. */
  requestsSent(): void;
  /** It needs nothing more of Vorpal and waits for earlier entries of its users. */
  blocked(): void;
  finished(): void;
}

/**
 * Admission control: how many batches may run at once.
 *
 * Admits as many as are being scored, and a few that wait for scoring. How much Vorpal is given at once is decided by
 * the client's scoring budget; a batch that would only wait for it stays in the stream, where another worker can take
 * it.
 */
export class BatchAdmission {
  private admitted = 0;
  private sent = 0;
  private blockedCount = 0;

  /** @param max most batches that need Vorpal; each holds its texts and the answer in memory */
  constructor(private readonly max: number) {}

  get inFlight(): number {
    return this.admitted;
  }

  /** The batches in flight that wait for earlier entries of their users. */
  get blocked(): number {
    return this.blockedCount;
  }

  /** Whether so many batches are blocked that nothing more should be read for now. */
  get isBlockedFull(): boolean {
    return this.blockedCount >= MAX_BLOCKED;
  }

  /**
   * How many more may be admitted now: as many may queue as are being scored, so their number can double each round.
   */
  get capacity(): number {
    const active = this.admitted - this.blockedCount;
    const queued = active - this.sent;
    return Math.max(0, Math.min(this.max - active, Math.max(MIN_QUEUED, this.sent) - queued));
  }

  /** @param onChange called whenever there may be more capacity */
  admit(onChange: () => void): AdmittedBatch {
    this.admitted += 1;
    let isSent = false;
    let isBlocked = false;
    let isFinished = false;
    return {
      requestsSent: () => {
        if (isSent || isBlocked || isFinished) return;
        isSent = true;
        this.sent += 1;
        onChange();
      },
      blocked: () => {
        if (isBlocked || isFinished) return;
        isBlocked = true;
        this.blockedCount += 1;
        if (isSent) this.sent -= 1;
        onChange();
      },
      finished: () => {
        if (isFinished) return;
        isFinished = true;
        this.admitted -= 1;
        if (isBlocked) this.blockedCount -= 1;
        else if (isSent) this.sent -= 1;
        onChange();
      },
    };
  }
}
