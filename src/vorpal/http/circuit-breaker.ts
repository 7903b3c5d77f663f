import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
} from 'cockatiel';
import type { Settings } from '../../config/index.js';
import { type CallDeadline, untilAborted } from './call-deadline.js';
import { VorpalTimeoutError, VorpalUnavailableError } from '../vorpal.errors.js';

type CircuitLimits = Pick<Settings['vorpal'], 'breakerFailures' | 'breakerOpenMs'>;

/** What is known about the server at one address. */
interface Line {
  readonly url: string;
  readonly breaker: CircuitBreakerPolicy;
  /** Since when calls go through, by the clock that the breaker goes by. */
  closedAt: number;
  /** The probe under way that may close the circuit: calls that find it open at the same time share it. */
  recovery?: Promise<void>;
  /** The question under way whether a server that lets calls time out is alive: those calls share it. */
  question?: Promise<boolean>;
}

/** A time-out that is no sign of a broken server. */
class ExcusedTimeout extends Error {
  constructor(readonly timeout: VorpalTimeoutError) {
    super(timeout.message);
  }
}

/**
 * Fails calls at once while a server is known to be gone, instead of letting each wait for a time-out of its own.
 *
 * Only unavailability counts, and time-outs of a server that does not answer its probe either: a refusal is the sign of
 * a server that lives, and one that answers a small request while it lets others wait is full, not broken.
 */
export class Circuit {
  private line: Line | undefined;

  /** @param probe a small request; throws VorpalUnavailableError or VorpalTimeoutError if the server is not alive */
  constructor(
    private readonly serverName: string,
    private readonly limits: CircuitLimits,
    private readonly probe: (url: string, signal?: AbortSignal) => Promise<void>,
  ) {}

  get closed(): boolean {
    return this.line === undefined || isClosed(this.line);
  }

  /** How long calls have gone through; 0 while they do not. */
  get closedForMs(): number {
    if (this.line === undefined) return Infinity;
    return isClosed(this.line) ? Date.now() - this.line.closedAt : 0;
  }

  /**
   * @throws VorpalUnavailableError at once while the circuit is open; whatever `work` throws otherwise
   */
  async run<T>(url: string, work: () => Promise<T>, deadline: CallDeadline): Promise<T> {
    const line = this.lineTo(url);
    try {
      // A small request finds out whether the server is back. A real one as the test would make everybody wait for an
      // answer that may take minutes, and its caller's abort would look like a recovery.
      if (!isClosed(line)) await untilAborted(this.recover(line), deadline.signal);
      return await line.breaker.execute(() => this.judged(line, work, deadline));
    } catch (error) {
      if (error instanceof ExcusedTimeout) throw error.timeout;
      throw error instanceof BrokenCircuitError ? this.openError(line.breaker) : error;
    }
  }

  /**
   * Asks the server now whether it is alive; while the circuit is open only as a call would: once its pause is over, and
   * then the answer closes it.
   * @throws VorpalUnavailableError | VorpalTimeoutError what a call would meet
   */
  async check(url: string, signal?: AbortSignal): Promise<void> {
    const line = this.lineTo(url);
    if (isClosed(line)) return this.probe(url, signal);
    try {
      await untilAborted(this.recover(line), signal);
    } catch (error) {
      throw error instanceof BrokenCircuitError ? this.openError(line.breaker) : error;
    }
  }

  private async recover(line: Line): Promise<void> {
    line.recovery ??= line.breaker
      .execute(() => this.probe(line.url))
      .finally(() => {
        line.recovery = undefined;
      });
    await line.recovery;
  }

  private async judged<T>(line: Line, work: () => Promise<T>, deadline: CallDeadline): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof VorpalTimeoutError && (await untilAborted(this.isAlive(line), deadline.caller))) {
        throw new ExcusedTimeout(error);
      }
      throw error;
    }
  }

  private async isAlive(line: Line): Promise<boolean> {
    line.question ??= this.probe(line.url)
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        line.question = undefined;
      });
    return line.question;
  }

  private lineTo(url: string): Line {
    // A restarted local Vorpal has a new address: the old one's failures say nothing about it.
    if (this.line?.url !== url) {
      const line: Line = { url, breaker: this.createBreaker(), closedAt: this.line ? Date.now() : -Infinity };
      line.breaker.onReset(() => {
        line.closedAt = Date.now();
      });
      this.line = line;
    }
    return this.line;
  }

  private createBreaker(): CircuitBreakerPolicy {
    return circuitBreaker(
      handleWhen((error) => error instanceof VorpalUnavailableError || error instanceof VorpalTimeoutError),
      { breaker: new ConsecutiveBreaker(this.limits.breakerFailures), halfOpenAfter: this.limits.breakerOpenMs },
    );
  }

  private openError({ lastFailure }: CircuitBreakerPolicy): VorpalUnavailableError {
    const last = lastFailure && 'error' in lastFailure && lastFailure.error instanceof Error ? lastFailure.error : null;
    return new VorpalUnavailableError(
      `${this.serverName} failed several times in a row and is left alone for a moment${last ? `: ${last.message}` : '.'}`,
      { retryAfterSeconds: Math.ceil(this.limits.breakerOpenMs / 1_000) },
    );
  }
}

const isClosed = ({ breaker }: Line): boolean => breaker.state === CircuitState.Closed;
