import { Logger } from '@nestjs/common';
import type { Settings } from '../../config/index.js';
import {
  FORGET_MARK_LASTS_MS,
  type RedisConnections,
  redisFailuresAs,
  replyCodeOf,
  type StreamKeys,
  streamKeys,
} from '../../infra/redis/index.js';
import {
  type DeadLetter,
  type DeadLetterPage,
  type DeliveredEntry,
  InputStream,
  MOST_UNSETTLED,
  type ReadOptions,
  type StreamEntry,
  type StreamStatistics,
  type Unsettled,
} from '../input-stream.port.js';
import { decodeEntry, encodeEntry, type StoredEntry } from '../stored-entry.js';
import { KNOWN_IDS, MAX_DEAD_LETTERS, MAX_REASON_CHARACTERS } from '../stream-limits.js';
import { DeadLetterNotFoundError, DeadLetterUndecodableError, StreamUnavailableError } from '../stream.errors.js';
import { appendBatcher } from './append-batcher.js';
import { firstOfEachUser, unsettledOf } from './earlier-entries.js';
import { isStreamId, toDeadLetter } from './redis-dead-letters.js';
import { FORGET_ENTRIES, INDEX_DEAD_LETTERS } from './redis-forget-scripts.js';
import { goneAfterMs, GoneConsumers } from './redis-gone-consumers.js';
import {
  isLater,
  parseAutoClaim,
  parseDeliveries,
  parseEarlier,
  parseForgotten,
  parseGroup,
  parseRange,
  parseReadGroup,
  type RawEntry,
} from './redis-replies.js';
import { ACKNOWLEDGE, APPEND, DEAD_LETTER, DROP_DEAD_LETTER, EARLIER, RENEW, REQUEUE } from './redis-scripts.js';

const reachingRedis = redisFailuresAs(StreamUnavailableError);

const FIRST_ID = '0-0';
// Appends in one script, for which the server does nothing else: 64 take it well under a millisecond.
const MAX_APPENDS = 64;
// Looking for stale entries more often than this finds nothing new and costs every consumer a request.
const MAX_CLAIM_INTERVAL_MS = 5_000;
// A reply may be this much later than BLOCK before the connection counts as dead.
const BLOCK_GRACE_MS = 2_000;
// Entries that one script removes when a user is forgotten; it holds the server for a few milliseconds.
const FORGET_PORTION = 500;

type StreamSettings = Pick<Settings['stream'], 'key' | 'group' | 'consumer' | 'claimIdleMs'>;

interface Taken {
  readonly entries: readonly TakenEntry[];
  /** Whether they were pending for this consumer before; there may be more of those. */
  readonly wasPending: boolean;
}

interface TakenEntry extends RawEntry {
  readonly deliveries: number;
}

/** {@link InputStream} on Redis Streams: a stream, one consumer group, and a stream of dead letters. */
export class RedisInputStream extends InputStream {
  private readonly logger = new Logger('Stream');
  private readonly keys: StreamKeys;
  private readonly group: string;
  private readonly consumer: string;
  private readonly claimIdleMs: number;
  private readonly claimIntervalMs: number;
  private readonly goneConsumers: GoneConsumers;
  private readonly appends = appendBatcher(MAX_APPENDS, (batch) => this.writeBatch(batch));
  /**
   * Redis may hold entries for this consumer that `read` has not returned: those of the process before this one, and
   * those of a reply that was lost or came with the abort. New entries come with rising ids, so they are the pending ones
   * after {@link lastReturned}.
   */
  private mayHoldUnseen = true;
  private lastReturned = FIRST_ID;
  private nextClaimAt = 0;
  private claimCursor = FIRST_ID;

  constructor(
    private readonly connections: RedisConnections,
    settings: StreamSettings,
    consumerGoneAfterMs = goneAfterMs(settings.claimIdleMs),
  ) {
    super();
    this.keys = streamKeys(settings, connections.topology);
    this.group = settings.group;
    this.consumer = settings.consumer;
    this.claimIdleMs = settings.claimIdleMs;
    this.claimIntervalMs = Math.min(settings.claimIdleMs / 2, MAX_CLAIM_INTERVAL_MS);
    this.goneConsumers = new GoneConsumers(connections, { ...settings, goneAfterMs: consumerGoneAfterMs });
  }

  async append(entry: StreamEntry): Promise<void> {
    await this.appends.add(encodeEntry(entry));
  }

  async read({ count, blockMs, signal }: ReadOptions): Promise<DeliveredEntry[]> {
    const deadline = performance.now() + blockMs;
    do {
      try {
        const delivered = await this.readOnce(count, deadline, signal);
        if (delivered.length > 0) return delivered;
      } catch (error) {
        // Whatever ended the read after the abort, entries that were handed out are pending and given again.
        if (signal.aborted && error instanceof StreamUnavailableError) return [];
        throw error;
      }
    } while (performance.now() < deadline && !signal.aborted);
    return [];
  }

  async earlier(delivered: readonly DeliveredEntry[]): Promise<Map<string, Unsettled>> {
    const firsts = [...firstOfEachUser(delivered)];
    if (firsts.length === 0) return new Map();
    const { entries, index } = this.keys;
    const asked = firsts.flatMap(([userId, { receipt }]) => [userId, ...receipt.split('-')]);
    const reply = await this.withGroup(() =>
      EARLIER.run(this.connections.commands, [entries, index], [this.group, MOST_UNSETTLED, ...asked]),
    );
    const found = parseEarlier(reply);
    return unsettledOf(firsts.map(([userId], position) => [userId, found[position]]));
  }

  async acknowledge(delivered: readonly DeliveredEntry[]): Promise<void> {
    if (delivered.length === 0) return;
    await this.settle(delivered.map(({ receipt, entry }) => [receipt, entry.userId]));
  }

  async renew(delivered: readonly DeliveredEntry[]): Promise<void> {
    if (delivered.length === 0) return;
    const receipts = delivered.map(({ receipt }) => receipt);
    await reachingRedis(async () => {
      try {
        const { entries } = this.keys;
        await RENEW.run(this.connections.commands, [entries], [this.group, this.consumer, ...receipts]);
      } catch (error) {
        // After the server was flushed nothing is pending, and the read makes the group anew.
        if (!isGroupMissing(error)) throw error;
      }
    });
  }

  async deadLetter({ receipt, deliveries }: DeliveredEntry, reason: string): Promise<void> {
    await this.moveToDeadLetters(receipt, deliveries, reason);
  }

  async deadLetters({ limit, after }: DeadLetterPage): Promise<DeadLetter[]> {
    if (after !== undefined && !isStreamId(after)) throw new DeadLetterNotFoundError();
    const start = after === undefined ? '-' : `(${after}`;
    return reachingRedis(async () => {
      const reply = await this.connections.commands.xrange(this.keys.deadLetters, start, '+', 'COUNT', limit);
      return parseRange(reply).map(toDeadLetter);
    });
  }

  async findDeadLetter(handle: string): Promise<DeadLetter> {
    return toDeadLetter(await this.readDeadLetter(handle));
  }

  async requeue(handle: string): Promise<StreamEntry> {
    const { fields } = await this.readDeadLetter(handle);
    const { entry, problem } = decodeEntry(fields ?? {});
    if (!entry) throw new DeadLetterUndecodableError(problem);
    const { entries, deadLetters, knownIds, index } = this.keys;
    const stored = Object.entries(encodeEntry(entry)).flat();
    const moved = await reachingRedis(() =>
      REQUEUE.run(
        this.connections.commands,
        [entries, deadLetters, knownIds, index],
        [handle, entry.id, KNOWN_IDS, entry.userId, ...stored],
      ),
    );
    if (moved === 0) throw new DeadLetterNotFoundError();
    return entry;
  }

  async dropDeadLetter(handle: string): Promise<void> {
    if (!isStreamId(handle)) throw new DeadLetterNotFoundError();
    const { deadLetters, index } = this.keys;
    const removed = await reachingRedis(() =>
      DROP_DEAD_LETTER.run(this.connections.commands, [deadLetters, index], [handle]),
    );
    if (removed === 0) throw new DeadLetterNotFoundError();
  }

  /** Costs what the user has, however long the stream is. */
  async forget(userId: string): Promise<number> {
    const { entries, deadLetters, index, forgotten } = this.keys;
    const { commands } = this.connections;
    return reachingRedis(async () => {
      await this.indexDeadLetters();
      let removed = 0;
      for (let isFirst = true, isMore = true; isMore; isFirst = false) {
        const reply = await FORGET_ENTRIES.run(
          commands,
          [entries, deadLetters, index, forgotten],
          [this.group, userId, FORGET_PORTION, FORGET_MARK_LASTS_MS, isFirst ? 1 : 0],
        );
        const portion = parseForgotten(reply);
        removed += portion.removed;
        isMore = portion.isMore;
      }
      return removed;
    });
  }

  async statistics(): Promise<StreamStatistics> {
    return this.withGroup(async () => {
      const { commands } = this.connections;
      const [groups, length, deadLetters] = await Promise.all([
        commands.xinfo('GROUPS', this.keys.entries),
        commands.xlen(this.keys.entries),
        commands.xlen(this.keys.deadLetters),
      ]);
      const info = parseGroup(groups, this.group) ?? { pending: 0, lag: null };
      // What was acknowledged is removed, so the stream holds what is pending and what nobody has read.
      return { pending: info.pending, lag: info.lag ?? Math.max(0, length - info.pending), deadLetters };
    });
  }

  /** Asks for the group to be made: a write that changes nothing where the group exists, and is refused when writes are. */
  async check(): Promise<void> {
    await reachingRedis(() => this.createGroup());
  }

  private async writeBatch(batch: readonly StoredEntry[]): Promise<void> {
    const { entries, knownIds, index } = this.keys;
    const appended = batch.flatMap((stored) => {
      const fields = Object.entries(stored).flat();
      return [stored.id, stored.user_id, fields.length, ...fields];
    });
    await reachingRedis(() =>
      APPEND.run(this.connections.commands, [entries, knownIds, index], [KNOWN_IDS, ...appended]),
    );
  }

  private async readDeadLetter(handle: string): Promise<RawEntry> {
    if (!isStreamId(handle)) throw new DeadLetterNotFoundError();
    const reply = await reachingRedis(() =>
      this.connections.commands.xrange(this.keys.deadLetters, handle, handle, 'COUNT', 1),
    );
    const [found] = parseRange(reply);
    if (found === undefined) throw new DeadLetterNotFoundError();
    return found;
  }

  /** Acknowledges entries, each by its stream id and its user. */
  private async settle(entries: readonly (readonly [string, string])[]): Promise<void> {
    const { entries: key, index } = this.keys;
    await reachingRedis(() =>
      ACKNOWLEDGE.run(this.connections.commands, [key, index], [this.group, ...entries.flat()]),
    );
  }

  /** Once in the life of a stream: what release 0.1.0 gave up is in no index. */
  private async indexDeadLetters(): Promise<void> {
    const { deadLetters, index } = this.keys;
    let last: unknown = '-';
    while (typeof last === 'string') {
      const start = last === '-' ? last : `(${last}`;
      last = await INDEX_DEAD_LETTERS.run(this.connections.commands, [deadLetters, index], [start, FORGET_PORTION]);
    }
  }

  /** Without those of other programs, which are in no index, whose users were forgotten after they were appended. */
  private async remembered(delivered: readonly DeliveredEntry[]): Promise<DeliveredEntry[]> {
    const foreign = delivered.filter(({ entry }) => entry.forgetMark === undefined);
    if (foreign.length === 0) return [...delivered];
    const users = [...new Set(foreign.map(({ entry }) => entry.userId))];
    const newest = await reachingRedis(() => this.connections.commands.hmget(this.keys.forgotten, ...users));
    const until = new Map(users.map((user, position) => [user, newest[position] ?? FIRST_ID]));
    const isLate = ({ entry, receipt }: DeliveredEntry): boolean =>
      !isLater(receipt, until.get(entry.userId) ?? FIRST_ID);
    const late = new Set(foreign.filter(isLate));
    if (late.size > 0) await this.settle([...late].map(({ receipt, entry }) => [receipt, entry.userId]));
    return delivered.filter((one) => !late.has(one));
  }

  private async readOnce(count: number, deadline: number, signal: AbortSignal): Promise<DeliveredEntry[]> {
    const taken = await this.withGroup(() => this.take(count, deadline, signal));
    const delivered = await this.decode(taken.entries);
    if (signal.aborted) return [];
    for (const { streamId } of taken.entries) {
      if (isLater(streamId, this.lastReturned)) this.lastReturned = streamId;
    }
    this.mayHoldUnseen = taken.wasPending;
    return delivered;
  }

  private async take(count: number, deadline: number, signal: AbortSignal): Promise<Taken> {
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

  private async readPending(count: number): Promise<TakenEntry[]> {
    const reply = await this.connections.commands.xreadgroup(
      'GROUP',
      this.group,
      this.consumer,
      'COUNT',
      count,
      'STREAMS',
      this.keys.entries,
      this.lastReturned,
    );
    return this.withDeliveries(parseReadGroup(reply));
  }

  /** Takes over entries that any consumer, this one included, has held for too long. */
  private async claimStale(count: number): Promise<TakenEntry[]> {
    if (performance.now() < this.nextClaimAt) return [];
    await this.goneConsumers.removeWhenDue();
    const reply = await this.connections.commands.xautoclaim(
      this.keys.entries,
      this.group,
      this.consumer,
      this.claimIdleMs,
      this.claimCursor,
      'COUNT',
      count,
    );
    const { nextCursor, entries } = parseAutoClaim(reply);
    this.claimCursor = nextCursor;
    // One call looks at a limited number of pending entries; the rest comes with the next calls.
    if (nextCursor === FIRST_ID) this.nextClaimAt = performance.now() + this.claimIntervalMs;
    return this.withDeliveries(entries);
  }

  private async readNew(count: number, deadline: number, signal: AbortSignal): Promise<TakenEntry[]> {
    const now = performance.now();
    const waitMs = Math.max(0, Math.ceil(Math.min(deadline, this.nextClaimAt) - now));
    const reply = await this.connections.runBlocking(
      (client) =>
        waitMs === 0 // BLOCK 0 means for ever.
          ? client.xreadgroup('GROUP', this.group, this.consumer, 'COUNT', count, 'STREAMS', this.keys.entries, '>')
          : client.xreadgroup(
              'GROUP',
              this.group,
              this.consumer,
              'COUNT',
              count,
              'BLOCK',
              waitMs,
              'STREAMS',
              this.keys.entries,
              '>',
            ),
      { key: this.keys.entries, signal, timeoutMs: waitMs + BLOCK_GRACE_MS },
    );
    return parseReadGroup(reply).map((entry) => ({ ...entry, deliveries: 1 }));
  }

  /** Adds how often each was delivered, which the commands do not tell; leaves out what is not pending any more. */
  private async withDeliveries(entries: readonly RawEntry[]): Promise<TakenEntry[]> {
    const { commands } = this.connections;
    const taken = await Promise.all(
      entries.map(async (entry): Promise<TakenEntry | undefined> => {
        const { streamId } = entry;
        const reply = await commands.xpending(this.keys.entries, this.group, streamId, streamId, 1);
        const deliveries = parseDeliveries(reply);
        return deliveries === undefined ? undefined : { ...entry, deliveries };
      }),
    );
    return taken.filter((entry) => entry !== undefined);
  }

  private async decode(taken: readonly TakenEntry[]): Promise<DeliveredEntry[]> {
    const delivered: DeliveredEntry[] = [];
    for (const { streamId, fields, deliveries } of taken) {
      const { entry, problem } = decodeEntry(fields ?? {});
      if (entry) delivered.push({ entry, receipt: streamId, deliveries });
      else if (fields === null) await this.forgetDeleted(streamId);
      else {
        this.logger.warn(`Entry ${streamId} goes to the dead letters: ${problem}`);
        await this.moveToDeadLetters(streamId, deliveries, problem);
      }
    }
    return this.remembered(delivered);
  }

  /** Somebody removed the entry from the stream while it was pending; nothing of it is left to process. */
  private async forgetDeleted(streamId: string): Promise<void> {
    this.logger.warn(`Entry ${streamId} was deleted from the stream by somebody else before it was processed`);
    await reachingRedis(() => this.connections.commands.xack(this.keys.entries, this.group, streamId));
  }

  private async moveToDeadLetters(streamId: string, deliveries: number, reason: string): Promise<void> {
    const { entries, deadLetters, index } = this.keys;
    const error = reason.slice(0, MAX_REASON_CHARACTERS);
    const now = new Date().toISOString();
    await reachingRedis(() =>
      DEAD_LETTER.run(
        this.connections.commands,
        [entries, deadLetters, index],
        [this.group, streamId, error, deliveries, now, MAX_DEAD_LETTERS],
      ),
    );
  }

  /** Runs `work`; where stream or group is missing (the first start, a flushed server), makes them and runs it again. */
  private async withGroup<T>(work: () => Promise<T>): Promise<T> {
    return reachingRedis(async () => {
      try {
        return await work();
      } catch (error) {
        if (!isGroupMissing(error)) throw error;
        // Where it is there after all, on another node of a cluster for one, so is what this consumer works on.
        if (await this.createGroup()) this.lastReturned = FIRST_ID;
        return work();
      }
    });
  }

  /** Whether there was none. */
  private async createGroup(): Promise<boolean> {
    try {
      // From 0: what was appended before the first worker started is read, too.
      await this.connections.commands.xgroup('CREATE', this.keys.entries, this.group, '0', 'MKSTREAM');
      return true;
    } catch (error) {
      if (replyCodeOf(error) !== 'BUSYGROUP') throw error;
      return false;
    }
  }
}

function isGroupMissing(error: unknown): boolean {
  const code = replyCodeOf(error);
  // UNBLOCKED: the stream was deleted while a read waited on it.
  return code === 'NOGROUP' || code === 'UNBLOCKED' || (error instanceof Error && error.message === 'ERR no such key');
}
