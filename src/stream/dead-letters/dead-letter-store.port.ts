import type { StreamEntry } from '../input-stream.port.js';

/** An entry that no worker could process: it was delivered too often, or cannot be decoded. */
export interface DeadLetter {
  /** Opaque handle of the adapter: it never changes, and is never given to another dead letter. */
  readonly handle: string;
  /** `null` where it cannot be decoded. */
  readonly entry: StreamEntry | null;
  /** Names of the stored fields: all that is told of an entry that cannot be decoded. */
  readonly fieldNames: readonly string[];
  readonly error: string;
  /** How often it was delivered. */
  readonly deliveries: number;
  /** When the brain received it; `null` where that is unknown. */
  readonly capturedAtMs: number | null;
  readonly deadLetteredAtMs: number;
}

export interface DeadLetterPage {
  /** Most dead letters to return. */
  readonly limit: number;
  /** Handle of the last dead letter of the page before, which may be gone by now. */
  readonly after?: string;
}

/**
 * The dead letters of the stream, for operators. `InputStream.deadLetter` adds to them; the store keeps the newest
 * 10,000.
 *
 * Order: oldest first.
 * Failures: every method throws `StreamUnavailableError` (transient) when the store cannot be reached, and
 * `DeadLetterNotFoundError` for a handle that it never gave out.
 */
export abstract class DeadLetterStore {
  abstract list(page: DeadLetterPage): Promise<DeadLetter[]>;

  /** @throws DeadLetterNotFoundError */
  abstract find(handle: string): Promise<DeadLetter>;

  /**
   * Moves a dead letter back to the end of the stream, once however many ask for it, and returns the entry. It is
   * delivered as if for the first time; appending its id again still has no effect.
   * @throws DeadLetterNotFoundError where it is gone; DeadLetterUndecodableError where it is not a valid entry
   */
  abstract requeue(handle: string): Promise<StreamEntry>;

  /** Removes a dead letter for good. @throws DeadLetterNotFoundError */
  abstract drop(handle: string): Promise<void>;

  abstract count(): Promise<number>;
}
