import {
  type MemoryKeys,
  type RedisConnections,
  type RedisScript,
  type ScriptArgument,
} from '../../infra/redis/index.js';
import type { UndecodableRecords } from '../../observability/index.js';
import type { EmbeddingSpace, MemoryTier } from '../memory.js';
import { assertVectors } from '../memory-limits.js';
import type { PendingReembedding } from '../memory-store.port.js';
import { chunksOf, inWaves } from './batches.js';
import { NO_GENERATION, type RedisEmbeddingSpaces } from './redis-embedding-spaces.js';
import { encodeVector } from './redis-memory-records.js';
import { parsePending, parseProgress } from './redis-memory-replies.js';
import { FIND_PENDING, PROGRESS, PUT_REEMBEDDED, scriptKeys } from './redis-memory-scripts.js';
import { decodeMemoryBody } from './stored-memory.js';

const TIERS: readonly MemoryTier[] = ['memory', 'shadow'];
// Ids that one script looks at: a thousand hold the server for a millisecond.
const PAGE = 1_000;
// Users that are asked about together. One after the other, each would cost a round trip.
const USERS_AT_ONCE = 64;
const USERS_PER_SCAN = 1_000;

/** Users in their order; those before `position` had all their vectors of `generation` when they were looked at. */
interface Sweep {
  readonly generation: number;
  readonly users: readonly string[];
  position: number;
}

type PendingId = Omit<PendingReembedding, 'text'>;

/** The move of all memories to another embedding space. What is left to do is found by looking, so it may stop anywhere. */
export class RedisReembedding {
  private sweep: Sweep | undefined;
  /** What has no text to embed stays pending for good: without it every sweep would stop there. */
  private readonly unreadable = new Set<string>();

  constructor(
    private readonly connections: RedisConnections,
    private readonly keys: MemoryKeys,
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
    if (this.sweep?.generation !== next.generation) this.sweep = undefined;
    for (;;) {
      const isFresh = this.sweep === undefined;
      this.sweep ??= { generation: next.generation, users: await this.allUsers(), position: 0 };
      const ids = await this.findPending(this.sweep, limit);
      const found = await this.withTexts(ids);
      if (found.length > 0) return found;
      if (ids.length > 0) continue;
      this.sweep = undefined;
      // Somebody that this sweep had passed may have something pending by now.
      if (isFresh) return [];
    }
  }

  async progress(): Promise<{ total: number; done: number }> {
    const { next } = await this.spaces.read();
    const replies = await inWaves(await this.allUsers(), (userId) =>
      this.run(PROGRESS, userId, next?.generation, [Date.now()]),
    );
    return replies
      .map(parseProgress)
      .reduce((sum, { total, done }) => ({ total: sum.total + total, done: sum.done + done }), { total: 0, done: 0 });
  }

  async put(items: readonly (PendingReembedding & { readonly vector: Float32Array })[]): Promise<void> {
    const { next } = await this.spaces.read();
    // Finished by another process, or there was nothing to do.
    if (next === undefined) return;
    assertVectors(
      items.map(({ vector }) => vector),
      next,
    );
    await inWaves(items, ({ userId, tier, id, vector }) =>
      this.run(PUT_REEMBEDDED, userId, next.generation, [tier, id, encodeVector(vector)]),
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
    await inWaves(await this.allUsers(), (userId) => {
      const { memory, shadow } = this.keys.ofUser(userId);
      const sets = abandoned.flatMap((generation) => [memory.vectors(generation), shadow.vectors(generation)]);
      return this.connections.commands.unlink(...sets);
    });
    await this.spaces.forgetAbandoned(abandoned);
  }

  private async findPending(sweep: Sweep, limit: number): Promise<PendingId[]> {
    const found: PendingId[] = [];
    for (const users of chunksOf(sweep.users.slice(sweep.position), USERS_AT_ONCE)) {
      const pending = await Promise.all(users.map((userId) => this.pendingOf(userId, sweep.generation, limit)));
      for (const ids of pending) {
        found.push(...ids);
        if (found.length === 0) sweep.position += 1;
      }
      if (found.length >= limit) break;
    }
    return found.slice(0, limit);
  }

  private async pendingOf(userId: string, generation: number, limit: number): Promise<PendingId[]> {
    const found: PendingId[] = [];
    for (const tier of TIERS) {
      let from: string | undefined = '-';
      while (from !== undefined && found.length < limit) {
        const reply = await this.run(FIND_PENDING, userId, generation, [tier, from, PAGE, Date.now()]);
        const { last, ids } = parsePending(reply);
        const pending = ids.map((id) => ({ userId, id, tier }));
        found.push(...pending.filter((one) => !this.unreadable.has(keyOf(one))));
        from = last === null ? undefined : `(${last}`;
      }
    }
    return found;
  }

  /** Leaves out what was deleted meanwhile, and what cannot be read. */
  private async withTexts(ids: readonly PendingId[]): Promise<PendingReembedding[]> {
    const found = await inWaves(ids, async (pending): Promise<PendingReembedding[]> => {
      const { items } = this.keys.ofUser(pending.userId)[pending.tier];
      const body = await this.connections.commands.hget(items, pending.id);
      if (body === null) return [];
      const { record, problem } = decodeMemoryBody(pending.userId, pending.id, body);
      if (record) return [{ ...pending, text: record.text }];
      this.unreadable.add(keyOf(pending));
      this.undecodable.note({ kind: 'memory', ...pending, problem });
      return [];
    });
    return found.flat();
  }

  private async allUsers(): Promise<string[]> {
    const users = new Set<string>();
    let cursor = '0';
    do {
      const [next, page] = await this.connections.commands.sscan(this.keys.users, cursor, 'COUNT', USERS_PER_SCAN);
      for (const userId of page) users.add(userId);
      cursor = next;
    } while (cursor !== '0');
    return [...users];
  }

  private run(
    script: RedisScript,
    userId: string,
    generation: number | undefined,
    args: readonly ScriptArgument[],
  ): Promise<unknown> {
    const keys = scriptKeys(this.keys.ofUser(userId), [generation ?? NO_GENERATION]);
    return script.run(this.connections.commands, keys, args);
  }
}

const keyOf = ({ userId, id, tier }: PendingId): string => JSON.stringify([userId, tier, id]);
