import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { sleep } from '../../../shared/index.js';
import type { BlockingOptions } from './blocking-connection.js';
import type { RedisClient } from './redis-client.js';

// How long closing waits for replies on their way.
const QUIT_TIMEOUT_MS = 500;

/** The connections to a Redis, of whatever topology. They reconnect for as long as they live. */
export interface ConnectionSet {
  readonly commands: RedisClient;
  /** Begins connecting, and waits for it until `waiting` is aborted. Never fails. */
  open(waiting: AbortSignal): Promise<void>;
  /** A connection to each server that takes writes, as far as they are known. */
  masters(): readonly Redis[];
  /** Addresses of required servers that are not connected. */
  missing(): readonly string[];
  runBlocking<T>(command: (client: Redis) => Promise<T>, options: BlockingOptions): Promise<T>;
  close(): Promise<void>;
}

/** Is given a master to which there is a connection, each time that there is one again. */
export type MasterListener = (master: Redis, address: string) => void;

/** Ends early, by rejecting, with the first failed attempt, and when `waiting` is aborted. */
export async function untilReady(client: RedisClient, waiting: AbortSignal): Promise<void> {
  if (client.status !== 'ready') await once(client, 'ready', { signal: waiting });
}

/** Waits shortly for outstanding replies, and closes the connection. */
export async function quit(client: RedisClient): Promise<void> {
  if (client.status === 'ready') {
    const answered = new AbortController();
    const quitting = client.quit().then(
      () => {
        answered.abort();
      },
      // The connection broke while it was being closed, which closes it.
      () => {
        answered.abort();
      },
    );
    await Promise.race([quitting, sleep(QUIT_TIMEOUT_MS, answered.signal)]);
  }
  client.disconnect();
}
