import { setImmediate as endOfTurn } from 'node:timers/promises';
import { sleep } from '../../shared/index.js';
import type { StoredEntry } from '../stored-entry.js';
import { StreamUnavailableError } from '../stream.errors.js';

// Appends that wait for their turn. Without a bound a store that hangs fills the memory.
const MAX_WAITING = 10_000;
// What one write carries (UTF-16 code units). A larger one may not get over a slow line within the time limit of a
// command, and would fail again each time it is resent.
const MAX_GROUP_CHARACTERS = 256 * 1_024;
// From one group to the next, unless a whole one waits: under load a group then holds several messages, and each costs
// less than a write of its own. Nobody waits for a capture.
const GROUP_INTERVAL_MS = 5;

interface WaitingAppend {
  readonly stored: StoredEntry;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Writes appends in groups, one group at a time; one that comes alone is written at once. When a group fails, so do all
 * that wait behind it: a later one that came through would stand before those that are resent.
 */
export class AppendQueue {
  private waiting: WaitingAppend[] = [];
  private isWriting = false;

  /** `write` stores a group, all of it or as if nothing: what was stored of a group that failed is resent. */
  constructor(
    private readonly maxGroup: number,
    private readonly write: (group: readonly StoredEntry[]) => Promise<void>,
    private readonly intervalMs = GROUP_INTERVAL_MS,
  ) {}

  async append(stored: StoredEntry): Promise<void> {
    if (this.waiting.length >= MAX_WAITING) {
      throw new StreamUnavailableError({ cause: new Error(`${MAX_WAITING} appends are waiting already`) });
    }
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    this.waiting.push({
      stored,
      resolve: () => {
        resolve(undefined);
      },
      reject,
    });
    if (!this.isWriting) void this.writeWaiting();
    await promise;
  }

  private async writeWaiting(): Promise<void> {
    this.isWriting = true;
    // The appends of one turn of the event loop share a write.
    await endOfTurn();
    while (this.waiting.length > 0) {
      const nextAt = performance.now() + this.intervalMs;
      await this.writeGroup(this.takeGroup());
      const restMs = nextAt - performance.now();
      if (restMs > 0 && this.waiting.length < this.maxGroup) await sleep(restMs);
    }
    this.isWriting = false;
  }

  private takeGroup(): WaitingAppend[] {
    let characters = 0;
    const isTooMany = ({ stored: { message, context } }: WaitingAppend): boolean =>
      (characters += message.length + context.length) > MAX_GROUP_CHARACTERS;
    const end = this.waiting.findIndex((append, index) => index >= this.maxGroup || (isTooMany(append) && index > 0));
    return this.waiting.splice(0, end === -1 ? this.waiting.length : end);
  }

  private async writeGroup(group: readonly WaitingAppend[]): Promise<void> {
    try {
      await this.write(group.map(({ stored }) => stored));
      for (const { resolve } of group) resolve();
    } catch (error) {
      const behind = this.waiting;
      this.waiting = [];
      for (const { reject } of [...group, ...behind]) reject(error);
    }
  }
}
