import { TickBatcher } from '../../shared/index.js';
import type { StoredEntry } from '../stored-entry.js';
import { StreamUnavailableError } from '../stream.errors.js';

// Appends that wait for their batch. Without a bound a store that hangs fills the memory.
const MAX_WAITING = 10_000;
// What one write carries (UTF-16 code units). On a slow line a larger one may exceed the time limit of a command, and
// would fail again each time it is resent.
const MAX_BATCH_CHARACTERS = 256 * 1_024;
// From one batch to the next: under load a batch then holds several messages, which cost less than a write each. Nobody
// waits for a capture.
const BATCH_INTERVAL_MS = 5;

/**
 * Batches appends in their order.
 * @param write stores a batch as a whole or not at all: the entries of a batch that failed are resent
 */
export function appendBatcher(
  maxAppends: number,
  write: (batch: readonly StoredEntry[]) => Promise<void>,
): TickBatcher<StoredEntry> {
  return new TickBatcher(write, {
    maxItems: maxAppends,
    size: { max: MAX_BATCH_CHARACTERS, of: ({ message, context }) => message.length + context.length },
    maxWaiting: MAX_WAITING,
    overflow: () => new StreamUnavailableError({ cause: new Error(`${MAX_WAITING} appends wait already`) }),
    ordered: { intervalMs: BATCH_INTERVAL_MS },
  });
}
