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

/**
 * Fails calls at once while a server is known to be gone, instead of letting each wait for a time-out of its own.
 *
 * Only unavailability and time-outs count: a refusal is the sign of a server that lives.
 */
export class Circuit {
  private breaker: CircuitBreakerPolicy;
  private url: string | undefined;

  constructor(
    private readonly serverName: string,
    private readonly limits: CircuitLimits,
    private readonly probe: (url: string) => Promise<void>,
  ) {
    this.breaker = this.createBreaker();
  }

  get closed(): boolean {
    return this.breaker.state === CircuitState.Closed;
  }

  /**
   * @throws VorpalUnavailableError at once while the circuit is open; whatever `work` throws otherwise
   */
  async run<T>(url: string, work: () => Promise<T>, deadline: CallDeadline): Promise<T> {
    const breaker = this.breakerFor(url);
    try {
      // A small request finds out whether the server is back. A real one as the test would make everybody wait for an
      // answer that may take minutes, and its caller's abort would look like a recovery.
      if (breaker.state !== CircuitState.Closed) {
        await untilAborted(
          breaker.execute(() => this.probe(url)),
          deadline.signal,
        );
      }
      return await breaker.execute(work);
    } catch (error) {
      throw error instanceof BrokenCircuitError ? this.openError(breaker) : error;
    }
  }

  private breakerFor(url: string): CircuitBreakerPolicy {
    // A restarted local Vorpal has a new address: the old one's failures say nothing about it.
    if (url !== this.url) {
      this.url = url;
      this.breaker = this.createBreaker();
    }
    return this.breaker;
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
