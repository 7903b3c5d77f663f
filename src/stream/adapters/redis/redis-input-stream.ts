import { Logger } from '@nestjs/common';
import {
  FORGET_MARK_LASTS_MS,
  type RedisConnections,
  type StreamKeys,
  streamKeys,
} from '../../../infra/redis/index.js';
import {
  type DeliveredEntry,
  InputStream,
  MOST_UNSETTLED,
  type ReadOptions,
  type StreamEntry,
  type StreamStatistics,
  type Unsettled,
} from '../../input-stream.port.js';
import { decodeEntry, encodeEntry, type StoredEntry } from '../../stored-entry.js';
import { KNOWN_IDS, MAX_DEAD_LETTERS, MAX_REASON_CHARACTERS } from '../../stream-limits.js';
import { StreamUnavailableError } from '../../stream.errors.js';
import { appendBatcher } from '../append-batcher.js';
import { firstOfEachUser, unsettledOf } from '../earlier-entries.js';
import {
  type ConsumerGroupSettings,
  FIRST_ID,
  isGroupMissing,
  RedisConsumerGroup,
  type TakenEntry,
} from './redis-consumer-group.js';
import { DEAD_LETTER, INDEX_DEAD_LETTERS } from './redis-dead-letter-scripts.js';
import { ACKNOWLEDGE, APPEND, EARLIER, FORGET_ENTRIES, RENEW } from './redis-entry-scripts.js';
import { reachingRedis } from './redis-failures.js';
import { isLater, parseEarlier, parseForgotten, parseGroup } from './redis-replies.js';

// Appends in one script, for which the server does nothing else: 64 take it well under a millisecond.
const MAX_APPENDS = 64;
// Entries that one script removes when a user is forgotten; it holds the server for a few milliseconds.
const FORGET_PORTION = 500;

/** {@link InputStream} on Redis Streams: a stream, one consumer group, and a stream of dead letters. */
export class RedisInputStream extends InputStream {
  private readonly logger = new Logger('Stream');
  private readonly keys: StreamKeys;
  private readonly group: RedisConsumerGroup;
  private readonly consumer: string;
  private readonly appends = appendBatcher(MAX_APPENDS, (batch) => this.writeBatch(batch));

  constructor(
    private readonly connections: RedisConnections,
    settings: ConsumerGroupSettings,
    removeIdleAfterMs?: number,
  ) {
    super();
    this.keys = streamKeys(settings, connections.topology);
    this.consumer = settings.consumer;
    this.group = new RedisConsumerGroup(connections, settings, removeIdleAfterMs);
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
        // After an abort the cause does not matter: entries that Redis gave out are pending, and are given again.
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
    const reply = await this.group.run(() =>
      EARLIER.run(this.connections.commands, [entries, index], [this.group.name, MOST_UNSETTLED, ...asked]),
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
        await RENEW.run(this.connections.commands, [entries], [this.group.name, this.consumer, ...receipts]);
      } catch (error) {
        // After the server was flushed nothing is pending, and the next read creates the group again.
        if (!isGroupMissing(error)) throw error;
      }
    });
  }

  async deadLetter({ receipt, deliveries }: DeliveredEntry, reason: string): Promise<void> {
    await this.moveToDeadLetters(receipt, deliveries, reason);
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
          [this.group.name, userId, FORGET_PORTION, FORGET_MARK_LASTS_MS, isFirst ? 1 : 0],
        );
        const portion = parseForgotten(reply);
        removed += portion.removed;
        isMore = portion.isMore;
      }
      return removed;
    });
  }

  async statistics(): Promise<StreamStatistics> {
    return this.group.run(async () => {
      const { commands } = this.connections;
      const [groups, length, deadLetters] = await Promise.all([
        commands.xinfo('GROUPS', this.keys.entries),
        commands.xlen(this.keys.entries),
        commands.xlen(this.keys.deadLetters),
      ]);
      const info = parseGroup(groups, this.group.name) ?? { pending: 0, lag: null };
      // What was acknowledged is removed, so the stream holds what is pending and what nobody has read.
      return { pending: info.pending, lag: info.lag ?? Math.max(0, length - info.pending), deadLetters };
    });
  }

  /** Creates the group: a write that changes nothing where the group exists, and fails where writes are refused. */
  async check(): Promise<void> {
    await reachingRedis(() => this.group.create());
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

  /** Acknowledges entries, each by its stream id and its user. */
  private async settle(entries: readonly (readonly [string, string])[]): Promise<void> {
    const { entries: key, index } = this.keys;
    await reachingRedis(() =>
      ACKNOWLEDGE.run(this.connections.commands, [key, index], [this.group.name, ...entries.flat()]),
    );
  }

  /** Indexes, once in the life of a stream, the dead letters of release 0.1.0, which had no index. */
  private async indexDeadLetters(): Promise<void> {
    const { deadLetters, index } = this.keys;
    let last: unknown = '-';
    while (typeof last === 'string') {
      const start = last === '-' ? last : `(${last}`;
      last = await INDEX_DEAD_LETTERS.run(this.connections.commands, [deadLetters, index], [start, FORGET_PORTION]);
    }
  }

  /**
   * Without the entries of users who were forgotten after they were appended. Only entries of other programs can be
   * among them: those are not in the index by which a user is forgotten.
   */
  private async withoutForgotten(delivered: readonly DeliveredEntry[]): Promise<DeliveredEntry[]> {
    const unindexed = delivered.filter(({ entry }) => entry.forgetMark === undefined);
    if (unindexed.length === 0) return [...delivered];
    const users = [...new Set(unindexed.map(({ entry }) => entry.userId))];
    const newest = await reachingRedis(() => this.connections.commands.hmget(this.keys.forgotten, ...users));
    const until = new Map(users.map((user, position) => [user, newest[position] ?? FIRST_ID]));
    const isLate = ({ entry, receipt }: DeliveredEntry): boolean =>
      !isLater(receipt, until.get(entry.userId) ?? FIRST_ID);
    const late = new Set(unindexed.filter(isLate));
    if (late.size > 0) await this.settle([...late].map(({ receipt, entry }) => [receipt, entry.userId]));
    return delivered.filter((one) => !late.has(one));
  }

  private async readOnce(count: number, deadline: number, signal: AbortSignal): Promise<DeliveredEntry[]> {
    const taken = await this.group.run(() => this.group.take(count, deadline, signal));
    const delivered = await this.decode(taken.entries);
    if (signal.aborted) return [];
    this.group.markReturned(taken);
    return delivered;
  }

  private async decode(taken: readonly TakenEntry[]): Promise<DeliveredEntry[]> {
    const delivered: DeliveredEntry[] = [];
    for (const { streamId, fields, deliveries } of taken) {
      const { entry, problem } = decodeEntry(fields ?? {});
      if (entry) delivered.push({ entry, receipt: streamId, deliveries });
      else if (fields === null) await this.acknowledgeDeleted(streamId);
      else {
        this.logger.warn(`Moved entry ${streamId} to the dead letters: ${problem}`);
        await this.moveToDeadLetters(streamId, deliveries, problem);
      }
    }
    return this.withoutForgotten(delivered);
  }

  /** The entry was removed from the stream while it was pending; there is nothing left to process. */
  private async acknowledgeDeleted(streamId: string): Promise<void> {
    this.logger.warn(`Entry ${streamId} was deleted from the stream by another program before it was processed`);
    await reachingRedis(() => this.connections.commands.xack(this.keys.entries, this.group.name, streamId));
  }

  private async moveToDeadLetters(streamId: string, deliveries: number, reason: string): Promise<void> {
    const { entries, deadLetters, index } = this.keys;
    const error = reason.slice(0, MAX_REASON_CHARACTERS);
    const now = new Date().toISOString();
    await reachingRedis(() =>
      DEAD_LETTER.run(
        this.connections.commands,
        [entries, deadLetters, index],
        [this.group.name, streamId, error, deliveries, now, MAX_DEAD_LETTERS],
      ),
    );
  }
}
