import type { UndecodableRecords } from '../../../../observability/index.js';
import type { Memory } from '../../../memory.js';
import { TERMS_VERSION } from '../../../search/lexical-text.js';
import type { MemoryLimits } from '../../../store/memory-limits.js';
import type { IndexedMemory } from '../../../store/memory-store.port.js';
import type { StoreProgress } from '../../../store/reembedding-store.port.js';
import { ReindexingStore } from '../../../store/reindexing-store.port.js';
import { inWaves } from '../../shared/batches.js';
import { NO_GENERATION, type RedisEmbeddingSpaces } from '../redis-embedding-spaces.js';
import { reachingRedis } from '../redis-failures.js';
import { decodeMemoryRow, memoryArguments } from '../redis-memory-records.js';
import { type MemoryRow, parseFlag, parsePending, parseProgress, parseRows } from '../redis-memory-replies.js';
import { COUNT_INDEXED, FIND_UNINDEXED, REINDEX } from '../scripts/redis-move-scripts.js';
import { READ } from '../scripts/redis-read-scripts.js';
import { sumOf } from './redis-reembedding.js';
import { type MemoryOfUser, RedisSweep } from './redis-sweep.js';
import type { RedisUsers } from '../redis-users.js';
import { MAKE_ROOM } from '../scripts/redis-write-scripts.js';

// Memories that one script looks at: a thousand hold the server for a millisecond.
const PAGE = 1_000;

/**
 * {@link ReindexingStore} on Redis. It also makes memories of the entries in the shadow buffer of an older release. The
 * indexes show which memories are left.
 */
export class RedisReindexingStore extends ReindexingStore {
  private readonly sweep: RedisSweep;

  constructor(
    private readonly users: RedisUsers,
    private readonly spaces: RedisEmbeddingSpaces,
    private readonly limits: MemoryLimits,
    private readonly undecodable: UndecodableRecords,
  ) {
    super();
    const look = async (userId: string, cursor: string) =>
      parsePending(await users.run(FIND_UNINDEXED, userId, [], [cursor, PAGE, TERMS_VERSION, Date.now()]));
    this.sweep = new RedisSweep(() => users.all(), look);
  }

  async pending(limit: number): Promise<Memory[]> {
    return reachingRedis(() => this.find(limit));
  }

  async progress(): Promise<StoreProgress> {
    return reachingRedis(() => this.count());
  }

  async put(items: readonly Omit<IndexedMemory, 'vector'>[]): Promise<void> {
    await reachingRedis(() => this.write(items));
  }

  private async find(limit: number): Promise<Memory[]> {
    for (;;) {
      const ids = await this.sweep.pending(limit);
      const found = (await inWaves(ids, (one) => this.read(one))).flat();
      if (found.length > 0 || ids.length === 0) return found;
    }
  }

  private async count(): Promise<StoreProgress> {
    const replies = await inWaves(await this.users.all(), (userId) =>
      this.users.run(COUNT_INDEXED, userId, [], [TERMS_VERSION, Date.now()]),
    );
    return sumOf(replies.map(parseProgress));
  }

  private async write(items: readonly Omit<IndexedMemory, 'vector'>[]): Promise<void> {
    const { current, next } = await this.spaces.read();
    const generations = [current?.generation ?? NO_GENERATION, ...(next ? [next.generation] : [])];
    const { maxMemories, maxBytes } = this.limits;
    await inWaves(items, async (item) => {
      const { userId } = item.memory;
      const args = [Date.now(), maxMemories, maxBytes, ...memoryArguments(item)];
      let hasMore = parseFlag(await this.users.run(REINDEX, userId, generations, args));
      while (hasMore) {
        hasMore = parseFlag(await this.users.run(MAKE_ROOM, userId, generations, [maxMemories, maxBytes]));
      }
    });
  }

  /** Leaves out memories that were deleted meanwhile, and unreadable ones, which have no words. */
  private async read(pending: MemoryOfUser): Promise<Memory[]> {
    const { userId, id } = pending;
    const [row] = parseRows(await this.users.run(READ, userId, [], [id]));
    const body =
      row?.body ?? (await this.users.connections.commands.hget(this.users.keys.ofUser(userId).shadow.items, id));
    if (row === undefined || body === null) return [];
    const { record, problem } = decodeMemoryRow(userId, { ...row, body } satisfies MemoryRow);
    if (record) return [record];
    this.sweep.except(pending);
    this.undecodable.note({ kind: 'memory', ...pending, problem });
    return [];
  }
}
