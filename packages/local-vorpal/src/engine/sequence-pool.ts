import { QueueFullError } from '../errors.js';

/** Who waits: people wait for `interactive` work, nobody waits for `background` work. */
export type Lane = 'interactive' | 'background';

/** The right to use one sequence, until `release`. */
export interface Lease<S> {
  readonly sequence: S;
  /** Gives the sequence back; calling it again has no effect. */
  release(): void;
}

export interface AcquireOptions<S> {
  readonly lane: Lane;
  /** Takes the place in the queue back; the promise then rejects with the signal's reason. */
  readonly signal: AbortSignal;
  /** How well an idle sequence suits; the highest is taken. */
  readonly suitability?: (sequence: S) => number;
}

interface Waiter<S> extends AcquireOptions<S> {
  readonly grant: (lease: Lease<S>) => void;
  readonly fail: (reason: unknown) => void;
}

/**
 * A fixed set of sequences and two bounded first-in-first-out lanes of prompts that wait for one.
 *
 * Interactive work goes first, but neither lane can shut the other out: with two sequences or more, background work
 * never takes the last one, and interactive work leaves one to background work that waits.
 */
export class SequencePool<S> {
  private readonly idle: S[];
  private readonly size: number;
  private readonly waiting: Record<Lane, Waiter<S>[]> = { interactive: [], background: [] };
  private readonly active: Record<Lane, number> = { interactive: 0, background: 0 };
  private closedBy: Error | undefined;

  constructor(
    sequences: readonly S[],
    private readonly queueLimit: number,
  ) {
    this.idle = [...sequences];
    this.size = sequences.length;
  }

  get runningCount(): number {
    return this.active.interactive + this.active.background;
  }

  get waitingCount(): number {
    return this.waiting.interactive.length + this.waiting.background.length;
  }

  /** @throws QueueFullError unless `count` more prompts find a sequence or a place in the queue */
  assertRoomFor(count: number): void {
    if (this.closedBy) throw this.closedBy;
    if (this.waitingCount + count > this.idle.length + this.queueLimit) throw new QueueFullError(this.queueLimit);
  }

  /** @throws QueueFullError without waiting, when the queue is full */
  acquire(options: AcquireOptions<S>): Promise<Lease<S>> {
    return new Promise((grant, reject) => {
      options.signal.throwIfAborted();
      this.assertRoomFor(1);
      const onAbort = (): void => {
        const lane = this.waiting[options.lane];
        lane.splice(lane.indexOf(waiter), 1);
        reject(toError(options.signal.reason));
      };
      const waiter: Waiter<S> = {
        ...options,
        grant: (lease) => {
          options.signal.removeEventListener('abort', onAbort);
          grant(lease);
        },
        fail: (reason) => {
          options.signal.removeEventListener('abort', onAbort);
          reject(toError(reason));
        },
      };
      options.signal.addEventListener('abort', onAbort, { once: true });
      this.waiting[options.lane].push(waiter);
      this.dispatch();
    });
  }

  /** Fails everyone who waits, and every later call, with `reason`. Leases already granted stay valid. */
  close(reason: Error): void {
    this.closedBy = reason;
    const waiters = [...this.waiting.interactive.splice(0), ...this.waiting.background.splice(0)];
    for (const waiter of waiters) waiter.fail(reason);
  }

  private dispatch(): void {
    while (this.idle.length > 0) {
      const lane = this.nextLane();
      if (lane === undefined) return;
      const waiter = this.waiting[lane].shift();
      if (waiter === undefined) return;
      waiter.grant(this.lend(lane, waiter.suitability));
    }
  }

  private nextLane(): Lane | undefined {
    const { interactive, background } = this.waiting;
    const mayRunBackground = background.length > 0 && this.active.background < Math.max(1, this.size - 1);
    const backgroundIsOwedOne = mayRunBackground && this.size > 1 && this.active.background === 0;
    if (interactive.length > 0 && !(backgroundIsOwedOne && this.idle.length === 1)) return 'interactive';
    return mayRunBackground ? 'background' : undefined;
  }

  private lend(lane: Lane, suitability: (sequence: S) => number = () => 0): Lease<S> {
    const sequence = this.idle.reduce((best, candidate) =>
      suitability(candidate) > suitability(best) ? candidate : best,
    );
    this.idle.splice(this.idle.indexOf(sequence), 1);
    this.active[lane]++;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      this.active[lane]--;
      this.idle.push(sequence);
      this.dispatch();
    };
    return { sequence, release };
  }
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('The request was cancelled.', { cause: reason });
}
