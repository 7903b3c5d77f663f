import type { UndecodableRecords } from '../../../../observability/index.js';
import type { EmbeddingSpace } from '../../../memory.js';
import { assertVectors } from '../../../store/memory-limits.js';
import type { PendingReembedding } from '../../../store/memory-store.port.js';
import { inWaves } from '../../shared/batches.js';
import { NO_GENERATION, type RedisEmbeddingSpaces } from '../redis-embedding-spaces.js';
import { encodeVector } from '../redis-memory-records.js';
import { parsePending, parseProgress } from '../redis-memory-replies.js';
import { COUNT_EMBEDDED, FIND_UNEMBEDDED, PUT_REEMBEDDED } from '../scripts/redis-move-scripts.js';
import { type MemoryOfUser, RedisSweep } from './redis-sweep.js';
import type { RedisUsers } from '../redis-users.js';
import { decodeMemoryBody } from '../../shared/stored-memory.js';

// Memories that one script looks at: a thousand hold the server for a millisecond.
const PAGE = 1_000;

/** The move of all memories to another embedding space. What is left to do is found by looking, so it may stop anywhere. */
export class RedisReembedding {
  private sweep: { readonly generation: number; readonly memories: RedisSweep } | undefined;

  constructor(
    private readonly users: RedisUsers,
    private readonly spaces: RedisEmbeddingSpaces,
    private readonly undecodable: UndecodableRecords,
  ) {}

  async begin(space: EmbeddingSpace): Promise<void> {
    await this.spaces.begin(space);
    await this.dropAbandoned();
  }

  async pending(limit: number): Promise<PendingReembedding[]> {
    const { next } = await this.spaces.read();
    if (next === undefined) return [];
    const { memories } = this.sweepOf(next.generation);
    for (;;) {
      const ids = await memories.pending(limit);
      const found = await this.withTexts(ids, memories);
      if (found.length > 0 || ids.length === 0) return found;
    }
  }

  async progress(): Promise<{ total: number; done: number }> {
    const { next } = await this.spaces.read();
    const replies = await inWaves(await this.users.all(), (userId) =>
      this.users.run(COUNT_EMBEDDED, userId, [next?.generation ?? NO_GENERATION], []),
    );
    return sumOf(replies.map(parseProgress));
  }

  async put(items: readonly (PendingReembedding & { readonly vector: Float32Array })[]): Promise<void> {
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

  async finish(): Promise<void> {
    await this.spaces.finish();
    this.sweep = undefined;
    await this.dropAbandoned();
  }

  /** Drops the vectors of moves that are finished or were given up, also where a process died before it had done so. */
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

  /** Leaves out what was deleted meanwhile, and what cannot be read and so has no text to embed. */
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

interface Progress {
  readonly total: number;
  readonly done: number;
}

export function sumOf(ofUsers: readonly Progress[]): Progress {
  return ofUsers.reduce((sum, { total, done }) => ({ total: sum.total + total, done: sum.done + done }), {
    total: 0,
    done: 0,
  });
}
