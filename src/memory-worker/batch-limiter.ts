import type { Crowd } from './crowd-watch.js';

// A batch may take this many times as long as an unhurried one and the limit still grows: a third of its time is then
// waiting. Less, and what overlaps on a GPU anyway would pass for a queue.
const GROWTH_RATIO = 1.5;
// Beyond it most of a batch's time is waiting, before which every chat has to wait as well.
const BACK_OFF_RATIO = 2;
const GENTLE_DECREASE = 0.9;
const HARD_DECREASE = 0.5;

export interface BatchFigures {
  /** Time at Vorpal. */
  readonly latencyMs: number;
  /** Amount of work in any unit, so that batches are compared with their like. */
  readonly size: number;
}

/** One batch in flight. One of the three methods ends it; further calls have no effect. */
export interface BatchPermit {
  succeeded(figures: BatchFigures): void;
  /** Vorpal refused it for its load (429, 503) or did not answer in time. */
  overloaded(): void;
  /** It ended without telling anything about Vorpal. */
  dropped(): void;
}

/**
 * How many batches may be in flight, from what Vorpal shows of its load: as many as it takes to keep it busy, and few
 * enough that what people wait for does not queue behind them.
 *
 * Doubles at first; after the first sign of a queue adds one a round (additive increase, multiplicative decrease). A
 * round is as many batches as the limit; it is judged by the mean of their latencies, each over the floor of batches of
 * its size. With one batch in flight nothing of ours waits, so what it takes then is the floor: a server that has become
 * slower is found out on the way down.
 */
export class BatchLimiter {
  private current = 1;
  private inFlightCount = 0;
  private begun = 0;
  private doubling = true;
  private crowd: Crowd = 'none';
  /** Counts the hard decreases: what was in flight at one of them is no reason for the next. */
  private era = 0;
  private readonly floorsMs = new Map<number, number>();
  private round = new Round();

  /** @param max most batches; each holds its texts and the answer in memory */
  constructor(private readonly max: number) {}

  get limit(): number {
    return Math.floor(this.current);
  }

  get inFlight(): number {
    return this.inFlightCount;
  }

  /** How many may be begun now. */
  get room(): number {
    return Math.max(0, this.limit - this.inFlightCount);
  }

  begin(): BatchPermit {
    this.inFlightCount += 1;
    this.round.peak = Math.max(this.round.peak, this.inFlightCount);
    const { era } = this;
    const begun = ++this.begun;
    const beganAlone = this.inFlightCount === 1;
    let ended = false;
    const end = (judge: () => void): void => {
      if (ended) return;
      ended = true;
      judge();
      this.inFlightCount -= 1;
    };
    return {
      succeeded: (figures) => {
        end(() => {
          this.observe(figures, beganAlone && begun === this.begun);
        });
      },
      overloaded: () => {
        end(() => {
          if (era === this.era) this.decreaseHard();
        });
      },
      dropped: () => {
        end(() => undefined);
      },
    };
  }

  /**
   * Told about once a second who waits for what the batches occupy. While somebody does, the limit does not grow. For
   * chats it is halved at once; for a queue at the server it shrinks from the second time in a row on, because one look
   * may catch a burst in the moment of its arrival.
   */
  crowdReported(crowd: Crowd): void {
    if (crowd === 'chats') this.decrease(HARD_DECREASE);
    if (crowd === 'queue' && this.crowd !== 'none') this.decrease(GENTLE_DECREASE);
    this.crowd = crowd;
  }

  private observe({ latencyMs, size }: BatchFigures, wasAlone: boolean): void {
    const bucket = Math.floor(Math.log2(Math.max(1, size)));
    const floorMs = this.floorsMs.get(bucket) ?? latencyMs;
    this.floorsMs.set(bucket, wasAlone ? latencyMs : Math.min(floorMs, latencyMs));
    this.round.add(wasAlone ? 1 : latencyMs / floorMs);
    if (this.round.count >= this.limit) this.endRound();
  }

  private endRound(): void {
    const { meanRatio, peak } = this.round;
    // A limit that nothing has come up against has not been tried: growing on would make it mean nothing.
    const wasUsed = peak >= this.limit;
    this.round = new Round();
    this.round.peak = this.inFlightCount - 1;
    if (meanRatio > BACK_OFF_RATIO) this.decrease(GENTLE_DECREASE);
    else if (meanRatio > GROWTH_RATIO) this.doubling = false;
    else if (wasUsed && this.crowd === 'none') this.grow();
  }

  private grow(): void {
    this.current = Math.min(this.max, this.doubling ? this.current * 2 : this.current + 1);
  }

  private decreaseHard(): void {
    this.era += 1;
    this.decrease(HARD_DECREASE);
  }

  private decrease(factor: number): void {
    this.doubling = false;
    this.current = Math.max(1, this.current * factor);
    this.round = new Round();
  }
}

class Round {
  count = 0;
  /** Most batches in flight at once. */
  peak = 0;
  private ratios = 0;

  get meanRatio(): number {
    return this.ratios / this.count;
  }

  add(ratio: number): void {
    this.count += 1;
    this.ratios += ratio;
  }
}
