import {
  BrokenCircuitError,
  circuitBreaker,
  type CircuitBreakerPolicy,
  CircuitState,
  ConsecutiveBreaker,
  handleWhen,
} from 'cockatiel';
import type { VorpalSettings } from '../vorpal.settings.js';
import type { Deadline } from '../../shared/index.js';
import { untilCallAborted } from './call-aborted.error.js';
import { VorpalTimeoutError, VorpalUnavailableError } from '../vorpal.errors.js';

type CircuitLimits = Pick<VorpalSettings, 'breakerFailures' | 'breakerOpenMs'>;

/** The state of the server at one address. */
interface ServerState {
  readonly url: string;
  readonly breaker: CircuitBreakerPolicy;
  /** Since when calls go through, by the clock that the breaker goes by. */
  closedAt: number;
  /** The probe under way that may close the circuit: calls that find it open at the same time share it. */
  recovery?: Promise<void>;
  /** The check under way whether a server that lets calls time out is alive: those calls share it. */
  livenessCheck?: Promise<boolean>;
}

/** A time-out that does not count as a failure of the server. */
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
export class CircuitBreaker {
  private server: ServerState | undefined;

  /** @param probe a small request; throws VorpalUnavailableError or VorpalTimeoutError if the server is not alive */
  constructor(
    private readonly serverName: string,
    private readonly limits: CircuitLimits,
    private readonly probe: (signal?: AbortSignal) => Promise<void>,
  ) {}

  get closed(): boolean {
    return this.server === undefined || isClosed(this.server);
  }

  /** How long calls have gone through; 0 while they do not. */
  get closedForMs(): number {
    if (this.server === undefined) return Infinity;
    return isClosed(this.server) ? Date.now() - this.server.closedAt : 0;
  }

  /**
   * @throws VorpalUnavailableError at once while the circuit is open; whatever `work` throws otherwise
   */
  async run<T>(url: string, work: () => Promise<T>, deadline: Deadline): Promise<T> {
    const server = this.stateOf(url);
    try {
      // A small request finds out whether the server is back. A real one as the test would make everybody wait for an
      // answer that may take minutes, and its caller's abort would look like a recovery.
      if (!isClosed(server)) await untilCallAborted(this.recover(server), deadline.signal);
      return await server.breaker.execute(() => this.judged(server, work, deadline));
    } catch (error) {
      if (error instanceof ExcusedTimeout) throw error.timeout;
      throw error instanceof BrokenCircuitError ? this.openError(server.breaker) : error;
    }
  }

  /**
   * Asks the server now whether it is alive; while the circuit is open only as a call would: once its pause is over,
   * and then the answer closes it.
   * @throws VorpalUnavailableError | VorpalTimeoutError what a call would meet
   */
  async check(url: string, signal?: AbortSignal): Promise<void> {
    const server = this.stateOf(url);
    if (isClosed(server)) return this.probe(signal);
    try {
      await untilCallAborted(this.recover(server), signal);
    } catch (error) {
      throw error instanceof BrokenCircuitError ? this.openError(server.breaker) : error;
    }
  }

  private async recover(server: ServerState): Promise<void> {
    server.recovery ??= server.breaker
      .execute(() => this.probe())
      .finally(() => {
        server.recovery = undefined;
      });
    await server.recovery;
  }

  private async judged<T>(server: ServerState, work: () => Promise<T>, deadline: Deadline): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof VorpalTimeoutError && (await untilCallAborted(this.isAlive(server), deadline.caller))) {
        throw new ExcusedTimeout(error);
      }
      throw error;
    }
  }

  private async isAlive(server: ServerState): Promise<boolean> {
    server.livenessCheck ??= this.probe()
      .then(
        () => true,
        () => false,
      )
      .finally(() => {
        server.livenessCheck = undefined;
      });
    return server.livenessCheck;
  }

  private stateOf(url: string): ServerState {
    // A restarted local Vorpal has a new address: the old one's failures say nothing about it.
    if (this.server?.url !== url) {
      const server: ServerState = {
        url,
        breaker: this.createBreaker(),
        closedAt: this.server ? Date.now() : -Infinity,
      };
      server.breaker.onReset(() => {
        server.closedAt = Date.now();
      });
      this.server = server;
    }
    return this.server;
  }

  private createBreaker(): CircuitBreakerPolicy {
    return circuitBreaker(
      handleWhen((error) => error instanceof VorpalUnavailableError || error instanceof VorpalTimeoutError),
      { breaker: new ConsecutiveBreaker(this.limits.breakerFailures), halfOpenAfter: this.limits.breakerOpenMs },
    );
  }

  private openError({ lastFailure }: CircuitBreakerPolicy): VorpalUnavailableError {
    const last = lastFailure && 'error' in lastFailure && lastFailure.error instanceof Error ? lastFailure.error : null;
    const reason = last ? `: ${last.message}` : '.';
    return new VorpalUnavailableError(
      `${this.serverName} failed several times in a row and is not called for a while${reason}`,
      { retryAfterSeconds: Math.ceil(this.limits.breakerOpenMs / 1_000) },
    );
  }
}

const isClosed = ({ breaker }: ServerState): boolean => breaker.state === CircuitState.Closed;
