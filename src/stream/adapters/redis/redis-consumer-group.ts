import type { StreamSettings } from '../../stream.settings.js';
import { type RedisConnections, replyCodeOf } from '../../../infra/redis/index.js';
import { reachingRedis } from './redis-failures.js';
import { IdleConsumers, removableAfterMs } from './redis-idle-consumers.js';
import { isLater, parseAutoClaim, parseDeliveries, parseReadGroup, type RawEntry } from './redis-replies.js';

export const FIRST_ID = '0-0';
// Looking for stale entries more often than this finds nothing new and costs every consumer a request.
const MAX_CLAIM_INTERVAL_MS = 5_000;
// A reply may be this much later than BLOCK before the connection counts as dead.
const BLOCK_GRACE_MS = 2_000;

export type ConsumerGroupSettings = Pick<StreamSettings, 'key' | 'group' | 'consumer' | 'claimIdleMs'>;

export interface TakenEntry extends RawEntry {
  readonly deliveries: number;
}

export interface Taken {
  readonly entries: readonly TakenEntry[];
  /** Whether they were pending for this consumer before; there may be more of those. */
  readonly wasPending: boolean;
}

/**
 * The consumer group as one consumer sees it: gives entries as Redis stores them, and creates the group where it is
 * missing.
 */
export class RedisConsumerGroup {
  readonly name: string;
  private readonly key: string;
  private readonly consumer: string;
  private readonly claimIdleMs: number;
  private readonly claimIntervalMs: number;
  private readonly idleConsumers: IdleConsumers;
  /**
   * Redis may hold entries for this consumer that were never returned: those of the process before this one, and those
   * of a reply that was lost or came with the abort. New entries have rising ids, so they are the pending ones after
   * {@link lastReturned}.
   */
  private mayHoldUnseen = true;
  private lastReturned = FIRST_ID;
  private nextClaimAt = 0;
  private claimCursor = FIRST_ID;

  constructor(
    private readonly connections: RedisConnections,
    settings: ConsumerGroupSettings,
    removeIdleAfterMs = removableAfterMs(settings.claimIdleMs),
  ) {
    this.key = settings.key;
    this.name = settings.group;
    this.consumer = settings.consumer;
    this.claimIdleMs = settings.claimIdleMs;
    this.claimIntervalMs = Math.min(settings.claimIdleMs / 2, MAX_CLAIM_INTERVAL_MS);
    this.idleConsumers = new IdleConsumers(connections, { ...settings, idleMs: removeIdleAfterMs });
  }

  /**
   * Runs `work`; where stream or group is missing (the first start, a flushed server), creates them and runs it again.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    return reachingRedis(async () => {
      try {
        return await work();
      } catch (error) {
        if (!isGroupMissing(error)) throw error;
        // A group that exists after all (on another node of a cluster, for example) still holds this consumer's
        // entries.
        if (await this.create()) this.lastReturned = FIRST_ID;
        return work();
      }
    });
  }

  /** Returns whether there was none. @throws the driver's errors */
  async create(): Promise<boolean> {
    try {
      // From 0: what was appended before the first worker started is read, too.
      await this.connections.commands.xgroup('CREATE', this.key, this.name, '0', 'MKSTREAM');
      return true;
    } catch (error) {
      if (replyCodeOf(error) !== 'BUSYGROUP') throw error;
      return false;
    }
  }

  /**
   * The next entries: this consumer's own pending ones, else stale ones of any consumer, else new ones, for which it
   * waits until `deadline` (`performance.now()`). Taken again until {@link markReturned} is called.
   * @throws the driver's errors
   */
  async take(count: number, deadline: number, signal: AbortSignal): Promise<Taken> {
    if (signal.aborted) return { entries: [], wasPending: this.mayHoldUnseen };
    if (this.mayHoldUnseen) {
      const entries = await this.readPending(count);
      if (entries.length > 0) return { entries, wasPending: true };
    }
    this.mayHoldUnseen = true;
    const stale = await this.claimStale(count);
    if (stale.length > 0) return { entries: stale, wasPending: false };
    return { entries: await this.readNew(count, deadline, signal), wasPending: false };
  }

  markReturned({ entries, wasPending }: Taken): void {
    for (const { streamId } of entries) {
      if (isLater(streamId, this.lastReturned)) this.lastReturned = streamId;
    }
    this.mayHoldUnseen = wasPending;
  }

  private async readPending(count: number): Promise<TakenEntry[]> {
    const { name: group, consumer, key, lastReturned } = this;
    const reply = await this.connections.commands.xreadgroup(
      ...(['GROUP', group, consumer, 'COUNT', count, 'STREAMS', key, lastReturned] as const),
    );
    return this.withDeliveries(parseReadGroup(reply));
  }

  /** Takes over entries that any consumer, this one included, has held for too long. */
  private async claimStale(count: number): Promise<TakenEntry[]> {
    if (performance.now() < this.nextClaimAt) return [];
    await this.idleConsumers.removeWhenDue();
    const { key, name: group, consumer, claimIdleMs, claimCursor } = this;
    const reply = await this.connections.commands.xautoclaim(
      ...([key, group, consumer, claimIdleMs, claimCursor, 'COUNT', count] as const),
    );
    const { nextCursor, entries } = parseAutoClaim(reply);
    this.claimCursor = nextCursor;
    // One call looks at a limited number of pending entries; the rest comes with the next calls.
    if (nextCursor === FIRST_ID) this.nextClaimAt = performance.now() + this.claimIntervalMs;
    return this.withDeliveries(entries);
  }

  private async readNew(count: number, deadline: number, signal: AbortSignal): Promise<TakenEntry[]> {
    const { key, name: group, consumer } = this;
    const now = performance.now();
    const waitMs = Math.max(0, Math.ceil(Math.min(deadline, this.nextClaimAt) - now));
    const start = ['GROUP', group, consumer, 'COUNT', count] as const;
    const reply = await this.connections.runBlocking(
      (client) =>
        waitMs === 0 // BLOCK 0 means for ever.
          ? client.xreadgroup(...start, 'STREAMS', key, '>')
          : client.xreadgroup(...start, 'BLOCK', waitMs, 'STREAMS', key, '>'),
      { key, signal, timeoutMs: waitMs + BLOCK_GRACE_MS },
    );
    return parseReadGroup(reply).map((entry) => ({ ...entry, deliveries: 1 }));
  }

  /** Adds the number of deliveries, which the commands do not tell; leaves out what is not pending any more. */
  private async withDeliveries(entries: readonly RawEntry[]): Promise<TakenEntry[]> {
    const { commands } = this.connections;
    const taken = await Promise.all(
      entries.map(async (entry): Promise<TakenEntry | undefined> => {
        const reply = await commands.xpending(this.key, this.name, entry.streamId, entry.streamId, 1);
        const deliveries = parseDeliveries(reply);
        return deliveries === undefined ? undefined : { ...entry, deliveries };
      }),
    );
    return taken.filter((entry) => entry !== undefined);
  }
}

export function isGroupMissing(error: unknown): boolean {
  const code = replyCodeOf(error);
  // UNBLOCKED: the stream was deleted while a read waited on it.
  return code === 'NOGROUP' || code === 'UNBLOCKED' || (error instanceof Error && error.message === 'ERR no such key');
}
