/** A captured message. */
export interface StreamEntry {
  /** UUIDv7 made by the brain, so that a resend is recognised; it becomes the id of the memory. */
  readonly id: string;
  readonly message: string;
  /** Milliseconds since the epoch at which the brain received it. */
  readonly timestampMs: number;
  readonly userId: string;
  readonly sessionId: string;
  readonly role: 'user' | 'assistant';
  /** The turns before it, bounded; the empty string where there are none. */
  readonly context: string;
  /** W3C trace context of the request that brought it. */
  readonly traceparent?: string;
  /** The mark that its user had when it came (`SessionStore.forgetMark`); other programs give none. */
  readonly forgetMark?: string;
}

/** An entry as one consumer holds it, from the read until it is acknowledged or dead-lettered. */
export interface DeliveredEntry {
  readonly entry: StreamEntry;
  /** Opaque handle of the adapter for acknowledging. */
  readonly receipt: string;
  /** How often the entry was delivered, this time included. */
  readonly deliveries: number;
}

/** What of a user was appended before an entry and is neither acknowledged nor a dead letter. */
export interface Unsettled {
  /** Receipts, as many as {@link MOST_UNSETTLED} allows, the newest of them. */
  readonly receipts: readonly string[];
  /** How many there are in all. */
  readonly count: number;
}

/** The newest of many is enough to wait for where each waits for those before it. */
export const MOST_UNSETTLED = 32;

export interface ReadOptions {
  /** Most entries to return. */
  readonly count: number;
  /** How long to wait while there is none. */
  readonly blockMs: number;
  /** Ends a waiting read at once. */
  readonly signal: AbortSignal;
}

export interface StreamStatistics {
  /** Entries that the group has not been given yet. */
  readonly lag: number;
  /** Entries given to a consumer and not acknowledged. */
  readonly pending: number;
  readonly deadLetters: number;
}

/**
 * The stream of captured messages, read by one consumer group.
 *
 * Order: entries are delivered in the order of their appends, each to one consumer of the group.
 * Guarantee: at least once. An entry that was read is pending until it is acknowledged. A consumer that restarts under
 * its name is given its own pending entries first; then those that any consumer, this one included, has held for longer
 * than the claim idle time; then new ones. Nothing that was not acknowledged is ever removed.
 * Failures: every method throws `StreamUnavailableError` (transient) when the store cannot be reached. An entry that
 * cannot be decoded is moved to the dead letters by the read and never returned, so that it cannot stop the others.
 * Abort: `read` returns `[]` as soon as its signal is aborted. An entry is either returned or remains readable.
 */
export abstract class InputStream {
  /**
   * Resolves once the store has the entry. Appending the same id again has no effect, as far back as the store
   * remembers ids (some ten thousand appends). When an append fails because the store cannot be reached, those begun
   * after it that are still under way fail as well: who resends all of them in order keeps their order.
   */
  abstract append(entry: StreamEntry): Promise<void>;

  /** Up to `count` entries, as soon as there is at least one; `[]` after `blockMs` or on abort. One read at a time. */
  abstract read(options: ReadOptions): Promise<DeliveredEntry[]>;

  /**
   * By user, what was appended before the first entry of that user in `delivered` and is still on its way, whoever
   * holds it. A user of whom there is nothing is left out, and so is, on Redis, what other programs appended without
   * the index.
   */
  abstract earlier(delivered: readonly DeliveredEntry[]): Promise<ReadonlyMap<string, Unsettled>>;

  /** Marks entries as processed; they are not delivered again and may be removed. */
  abstract acknowledge(delivered: readonly DeliveredEntry[]): Promise<void>;

  /**
   * Counts entries as delivered now, so that they are not taken over while this consumer still works on them. What is
   * not pending any more, or was taken over already, is not changed. Does not count as a delivery.
   */
  abstract renew(delivered: readonly DeliveredEntry[]): Promise<void>;

  /** Moves an entry with its error to the dead letters and acknowledges it, both or neither. */
  abstract deadLetter(delivered: DeliveredEntry, reason: string): Promise<void>;

  /**
   * Removes what the stream holds of a user, dead letters included, and returns how many there were. Entries that a
   * consumer holds are removed as well; the consumer finds out by its own means (`forgetMark`).
   */
  abstract forget(userId: string): Promise<number>;

  abstract statistics(): Promise<StreamStatistics>;

  /** Throws `StreamUnavailableError` unless an append would work now. */
  abstract check(): Promise<void>;
}
