import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
} from 'cockatiel';
import type { Settings } from '../config/index.js';
import { type CallDeadline, untilAborted } from './call-deadline.js';
import { VorpalTimeoutError, VorpalUnavailableError } from './vorpal.errors.js';

type CircuitLimits = Pick<Settings['vorpal'], 'breakerFailures' | 'breakerOpenMs'>;

/** What is known about the server at one address. */
interface Line {
  readonly url: string;
  readonly breaker: CircuitBreakerPolicy;
  /** The probe under way: calls that find the circuit open at the same time share it. */
  probing?: Promise<void>;
}

/**
 * Fails calls at once while a server is known to be gone, instead of letting each wait for a time-out of its own.
 *
 * Only unavailability and time-outs count: a refusal is the sign of a server that lives.
 */
export class Circuit {
  private line: Line | undefined;

  constructor(
    private readonly serverName: string,
    private readonly limits: CircuitLimits,
    private readonly probe: (url: string) => Promise<void>,
  ) {}

  get closed(): boolean {
    return this.line === undefined || this.line.breaker.state === CircuitState.Closed;
  }

  /**
   * @throws VorpalUnavailableError at once while the circuit is open; whatever `work` throws otherwise
   */
  async run<T>(url: string, work: () => Promise<T>, deadline: CallDeadline): Promise<T> {
    const line = this.lineTo(url);
    try {
      // A small request finds out whether the server is back. A real one as the test would make everybody wait for an
      // answer that may take minutes, and its caller's abort would look like a recovery.
      if (line.breaker.state !== CircuitState.Closed) await untilAborted(this.recover(line), deadline.signal);
      return await line.breaker.execute(work);
    } catch (error) {
      throw error instanceof BrokenCircuitError ? this.openError(line.breaker) : error;
    }
  }

  private async recover(line: Line): Promise<void> {
    line.probing ??= line.breaker
      .execute(() => this.probe(line.url))
      .finally(() => {
        line.probing = undefined;
      });
    await line.probing;
  }

  private lineTo(url: string): Line {
    // A restarted local Vorpal has a new address: the old one's failures say nothing about it.
    if (this.line?.url !== url) this.line = { url, breaker: this.createBreaker() };
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
