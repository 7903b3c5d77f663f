import { setTimeout as pause } from 'node:timers/promises';
import { newId } from '../../../src/shared/index.js';
import type { DeadLetterStore, DeliveredEntry, InputStream, StreamEntry } from '../../../src/stream/index.js';
import { StreamUnavailableError } from '../../../src/stream/index.js';

/** One store, empty at first, and what a test must be able to do to it behind the adapter's back. */
export interface InputStreamHarness {
  /** A consumer as a process of its own would be: nothing shared but the store. Left unused, it is one that crashed. */
  open(consumer: string, options?: { claimIdleMs?: number }): Promise<InputStream>;
  /** The dead letters as an operator's process sees them. */
  openDeadLetters(): Promise<DeadLetterStore>;
  /** Stores fields as another program might. */
  appendFields(fields: Record<string, string>): Promise<void>;
  /** Dead letters as stored, oldest first. */
  deadLetters(): Promise<Record<string, unknown>[]>;
  /** Entries the store keeps, read or not. */
  storedEntries(): Promise<number>;
  /** Makes writing dead letters fail until the returned function is called. */
  refuseDeadLetters(): Promise<() => Promise<void>>;
  /** Takes the store away until the returned function is called. */
  beginOutage(): Promise<() => Promise<void>>;
  dispose(): Promise<void>;
}

export const LONG_MS = 60_000;
export const never = new AbortController().signal;

export function entryOf(message: string, more: Partial<StreamEntry> = {}): StreamEntry {
  return {
    id: newId(),
    message,
    timestampMs: 1_790_000_000_123,
    userId: 'ada',
    sessionId: 's-1',
    role: 'user',
    context: '',
    ...more,
  };
}

export const numbered = (count: number, from = 0): StreamEntry[] =>
  Array.from({ length: count }, (_, index) => entryOf(`message ${from + index}`));
export const messagesOf = (delivered: readonly DeliveredEntry[]): string[] =>
  delivered.map(({ entry }) => entry.message);
export const readNow = (stream: InputStream, count = 100): Promise<DeliveredEntry[]> =>
  stream.read({ count, blockMs: 0, signal: never });

/** Time for a read to reach the point where it waits. Shorter only makes a test weaker, never fail. */
export async function letItWait(): Promise<void> {
  await pause(50);
}

/** Tries until the adapter has found its store again. */
export async function onceAvailable<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StreamUnavailableError)) throw error;
      await pause(50);
    }
  }
}
