import type { UndecodableRecords } from '../../../../observability/index.js';
import type { EmbeddingSpace } from '../../../memory.js';
import { assertVectors } from '../../../store/memory-limits.js';
import {
  type PendingReembedding,
  type ReembeddedMemory,
  ReembeddingStore,
  type StoreProgress,
} from '../../../store/reembedding-store.port.js';
import { inWaves } from '../../shared/batches.js';
import { NO_GENERATION, type RedisEmbeddingSpaces } from '../redis-embedding-spaces.js';
import { reachingRedis } from '../redis-failures.js';
import { encodeVector } from '../redis-memory-records.js';
import { parsePending, parseProgress } from '../redis-memory-replies.js';
import { COUNT_EMBEDDED, FIND_UNEMBEDDED, PUT_REEMBEDDED } from '../scripts/redis-move-scripts.js';
import { type MemoryOfUser, RedisSweep } from './redis-sweep.js';
import type { RedisUsers } from '../redis-users.js';
import { decodeMemoryBody } from '../../shared/stored-memory.js';

// Memories that one script looks at: a thousand hold the server for a millisecond.
const PAGE = 1_000;

/**
 * {@link ReembeddingStore} on Redis. The vector sets show which memories are left, so the move may stop at any point.
 */
export class RedisReembeddingStore extends ReembeddingStore {
  private sweep: { readonly generation: number; readonly memories: RedisSweep } | undefined;

  constructor(
    private readonly users: RedisUsers,
    private readonly spaces: RedisEmbeddingSpaces,
    private readonly undecodable: UndecodableRecords,
  ) {
    super();
  }

  async begin(space: EmbeddingSpace): Promise<void> {
    await reachingRedis(async () => {
      await this.spaces.begin(space);
      await this.dropAbandoned();
    });
  }

  async pending(limit: number): Promise<PendingReembedding[]> {
    return reachingRedis(() => this.find(limit));
  }

  async progress(): Promise<StoreProgress> {
    return reachingRedis(() => this.count());
  }

  async put(items: readonly ReembeddedMemory[]): Promise<void> {
    await reachingRedis(() => this.write(items));
  }

  async finish(): Promise<void> {
    await reachingRedis(async () => {
      await this.spaces.finish();
      this.sweep = undefined;
      await this.dropAbandoned();
    });
  }

  private async find(limit: number): Promise<PendingReembedding[]> {
    const { next } = await this.spaces.read();
    if (next === undefined) return [];
    const { memories } = this.sweepOf(next.generation);
    for (;;) {
      const ids = await memories.pending(limit);
      const found = await this.withTexts(ids, memories);
      if (found.length > 0 || ids.length === 0) return found;
    }
  }

  private async count(): Promise<StoreProgress> {
    const { next } = await this.spaces.read();
    const replies = await inWaves(await this.users.all(), (userId) =>
      this.users.run(COUNT_EMBEDDED, userId, [next?.generation ?? NO_GENERATION], []),
    );
    return sumOf(replies.map(parseProgress));
  }

  private async write(items: readonly ReembeddedMemory[]): Promise<void> {
    const { next } = await this.spaces.read();
    // Finished by another process, or there was nothing to do.
    if (next === undefined) return;
    assertVectors(
      items.map(({ vector }) => vector),
      next,
    );
    await inWaves(items, ({ userId, id, vector }) =>
      this.users.run(PUT_REEMBEDDED, userId, [next.generation], [id, encodeVector(vector)]),
    );
  }

  /** Drops the vectors of finished and abandoned moves, also of those whose process died before it did so. */
  private async dropAbandoned(): Promise<void> {
    const { abandoned } = await this.spaces.read();
    if (abandoned.length === 0) return;
    await inWaves(await this.users.all(), (userId) => {
      const keys = this.users.keys.ofUser(userId);
      const sets = abandoned.flatMap((generation) => [keys.vectors(generation), keys.shadow.vectors(generation)]);
      return this.users.connections.commands.unlink(...sets);
    });
    await this.spaces.forgetAbandoned(abandoned);
  }

  private sweepOf(generation: number): { readonly memories: RedisSweep } {
    if (this.sweep?.generation === generation) return this.sweep;
    const look = async (userId: string, cursor: string) =>
      parsePending(await this.users.run(FIND_UNEMBEDDED, userId, [generation], [cursor, PAGE]));
    this.sweep = { generation, memories: new RedisSweep(() => this.users.all(), look) };
    return this.sweep;
  }

  /** Leaves out memories that were deleted meanwhile, and unreadable ones, which have no text to embed. */
  private async withTexts(ids: readonly MemoryOfUser[], memories: RedisSweep): Promise<PendingReembedding[]> {
    const found = await inWaves(ids, async (pending): Promise<PendingReembedding[]> => {
      const { items } = this.users.keys.ofUser(pending.userId);
      const body = await this.users.connections.commands.hget(items, pending.id);
      if (body === null) return [];
      const { record, problem } = decodeMemoryBody(pending.userId, pending.id, body);
      if (record) return [{ ...pending, text: record.text }];
      memories.except(pending);
      this.undecodable.note({ kind: 'memory', ...pending, problem });
      return [];
    });
    return found.flat();
  }
}

export function sumOf(ofUsers: readonly StoreProgress[]): StoreProgress {
  return ofUsers.reduce((sum, { total, done }) => ({ total: sum.total + total, done: sum.done + done }), {
    total: 0,
    done: 0,
  });
}
