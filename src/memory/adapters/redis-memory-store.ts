import {
  carriedMark,
  FORGET_MARK_LASTS_MS,
  type MemoryKeys,
  memoryKeys,
  type RedisConnections,
  type RedisScript,
  type ScriptArgument,
} from '../../infra/redis/index.js';
import type { Decision, EmbeddingSpace, FoundMemory, Memory } from '../memory.js';
import { assertComparable, assertVectors, type MemoryLimits } from '../memory-limits.js';
import {
  type Effect,
  type EmbeddedMemory,
  type Judgement,
  type ListOptions,
  type MemoryCounts,
  MemoryStore,
  type Nearest,
  type PendingReembedding,
  type RecordOutcome,
  type SearchOptions,
  type StatisticsStep,
  type StoreSpaces,
} from '../memory-store.port.js';
import { inWaves } from './batches.js';
import { decodableOf, decodablePage } from './decodable.js';
import { NO_GENERATION, RedisEmbeddingSpaces, type StoredSpaces } from './redis-embedding-spaces.js';
import { reachingRedis, reachingSharedKeys } from './redis-failures.js';
import { asPromoted, decodeMemoryRow, encodeVector } from './redis-memory-records.js';
import {
  type DecisionRow,
  type FoundRow,
  type MemoryRow,
  parseCount,
  parseDecisions,
  parseFlag,
  parseFound,
  parseMemories,
  parseMemory,
  parseNearest,
  parsePut,
  parseRecord,
  parseSums,
} from './redis-memory-replies.js';
import {
  DECISIONS,
  DELETE,
  FORGET,
  LIST,
  NEAREST_OF_FEW,
  PROMOTE,
  PUT,
  RECORD,
  scriptKeys,
  SEARCH,
} from './redis-memory-scripts.js';
import { RedisReembedding } from './redis-reembedding.js';
import { decodeDecision, encodeDecision } from './stored-decision.js';
import { encodeMemoryBody } from './stored-memory.js';

// How many neighbours a search weighs (EF). Of the nearest ten among 100,000 vectors of 384 dimensions this found 96 to 99 %;
// Redis' own 100 found 71 to 94 %.
const SEARCH_EFFORT = 400;
// A search by itself gives the server a thread for it, which takes 0.1 ms of processor time; among so few the search takes as
// much, and is made where it stands. Among more, it would hold up whoever else asks the server.
const FEW_MEMORIES = 256;
// The layout of the keys, for a later version that changes it.
const LAYOUT = 1;

export interface RedisMemoryStoreOptions {
  /** Stands before every key. */
  readonly keyPrefix?: string;
}

/**
 * {@link MemoryStore} on Redis 8: for each user a vector set per tier, with hashes and sorted sets beside it, all on one
 * slot. Whatever changes more than one of them is one script.
 */
export class RedisMemoryStore extends MemoryStore {
  private readonly keys: MemoryKeys;
  private readonly embeddingSpaces: RedisEmbeddingSpaces;
  private readonly reembedding: RedisReembedding;

  constructor(
    private readonly connections: RedisConnections,
    private readonly limits: MemoryLimits,
    { keyPrefix = '' }: RedisMemoryStoreOptions = {},
  ) {
    super();
    this.keys = memoryKeys(keyPrefix);
    this.embeddingSpaces = new RedisEmbeddingSpaces(connections, this.keys.spaces);
    this.reembedding = new RedisReembedding(connections, this.keys, this.embeddingSpaces, this.undecodable);
  }

  async spaces(): Promise<StoreSpaces> {
    return reachingRedis(async () => toStoreSpaces(await this.embeddingSpaces.read()));
  }

  async claimSpace(space: EmbeddingSpace): Promise<StoreSpaces> {
    return reachingRedis(async () => toStoreSpaces(await this.embeddingSpaces.claim(space)));
  }

  async put(userId: string, memories: readonly EmbeddedMemory[], forgetMark?: string): Promise<boolean[]> {
    if (memories.length === 0) return [];
    return reachingRedis(async () => {
      const spaces = await this.embeddingSpaces.recent();
      assertVectors(
        memories.map(({ vector }) => vector),
        spaces.current,
      );
      return this.registering(userId, async () => {
        const replies = await inWaves(memories, ({ memory, vector }) =>
          this.run(PUT, userId, writable(spaces), [
            ...[memory.id, encodeMemoryBody(memory), encodeVector(vector)],
            carriedMark(forgetMark),
          ]),
        );
        const put = replies.map(parsePut);
        return { result: put.map(({ isNew }) => isNew), isFirst: put.some(({ isFirstOfUser }) => isFirstOfUser) };
      });
    });
  }

  async get(userId: string, id: string): Promise<Memory | undefined> {
    const { memory, repetitions, lastSeen } = this.keys.ofUser(userId);
    const stored = await reachingRedis(() =>
      Promise.all([memory.items, repetitions, lastSeen].map((key) => this.connections.commands.hget(key, id))),
    );
    const row = parseMemory(id, stored);
    return row && this.decode(userId, row);
  }

  async list(userId: string, options: ListOptions): Promise<Memory[]> {
    const read = async (after: string | undefined): Promise<MemoryRow[]> => {
      const from = after === undefined ? '+' : `(${after}`;
      return parseMemories(await reachingRedis(() => this.run(LIST, userId, [], [from, options.limit])));
    };
    return decodablePage(
      options,
      read,
      ([id]) => id,
      (row) => this.decode(userId, row),
    );
  }

  async search(userId: string, vector: Float32Array, options: SearchOptions): Promise<FoundMemory[]> {
    assertComparable(vector);
    const { limit, minSimilarity, includeShadow } = options;
    return reachingRedis(async () => {
      const { current } = await this.embeddingSpaces.recent();
      if (current === undefined || limit < 1) return [];
      assertVectors([vector], current);
      const more = [minSimilarity, includeShadow ? 1 : 0, Date.now(), SEARCH_EFFORT];
      const read = async (count: number): Promise<FoundRow[]> =>
        parseFound(await this.run(SEARCH, userId, [current.generation], [encodeVector(vector), count, ...more]));
      return decodableOf(limit, read, ({ tier, similarity, row }) => {
        const memory = this.decode(userId, row);
        return memory && { memory, tier, similarity };
      });
    });
  }

  async nearest(userId: string, vector: Float32Array): Promise<Nearest | undefined> {
    assertComparable(vector);
    return reachingRedis(async () => {
      const { current } = await this.embeddingSpaces.recent();
      if (current === undefined) return undefined;
      assertVectors([vector], current);
      const set = this.keys.ofUser(userId).memory.vectors(current.generation);
      const { commands } = this.connections;
      const bytes = encodeVector(vector);
      const ofFew = await NEAREST_OF_FEW.run(commands, [set], [bytes, SEARCH_EFFORT, FEW_MEMORIES]);
      if (ofFew !== null) return parseNearest(ofFew);
      const query = ['FP32', bytes, 'WITHSCORES', 'COUNT', 1, 'EF', SEARCH_EFFORT] as const;
      return parseNearest(await commands.call('VSIM', set, ...query));
    });
  }

  async delete(userId: string, id: string): Promise<boolean> {
    return reachingRedis(async () =>
      parseFlag(await this.onAllGenerations((all) => this.run(DELETE, userId, all, [id, Date.now()]))),
    );
  }

  async count(userId: string): Promise<MemoryCounts> {
    const { memory, shadowExpiry } = this.keys.ofUser(userId);
    const { commands } = this.connections;
    return reachingRedis(async () => {
      const [memories, shadow] = await Promise.all([
        commands.zcard(memory.ids),
        commands.zcount(shadowExpiry, `(${Date.now()}`, '+inf'),
      ]);
      return { memories, shadow };
    });
  }

  async promote(userId: string, id: string, vector: Float32Array): Promise<boolean> {
    return reachingRedis(async () => {
      const spaces = await this.embeddingSpaces.recent();
      assertVectors([vector], spaces.current);
      // Read beforehand, because a script cannot change one field of a JSON text faithfully; an entry never changes.
      const body = await this.connections.commands.hget(this.keys.ofUser(userId).shadow.items, id);
      const memory = body === null ? undefined : this.decode(userId, [id, body, null, null]);
      if (memory === undefined) return false;
      const args = [id, asPromoted(memory), encodeVector(vector), Date.now()];
      return parseFlag(await this.run(PROMOTE, userId, writable(spaces), args));
    });
  }

  async record({ decision, forgetMark, effect, statistics }: Judgement): Promise<RecordOutcome> {
    const { userId } = decision;
    return reachingRedis(async () => {
      const spaces = await this.embeddingSpaces.recent();
      if (effect.kind !== 'strengthen') assertVectors([effect.memory.vector], spaces.current);
      const write = async () => {
        const reply = await this.run(RECORD, userId, writable(spaces), [
          ...[decision.id, encodeDecision(decision), decision.decidedAtMs, carriedMark(forgetMark), Date.now()],
          ...[this.limits.maxDecisions, this.limits.shadowMaxEntries],
          ...effectArguments(effect),
          ...statistics.flatMap(stepArguments),
        ]);
        const { outcome, isFirstOfUser } = parseRecord(reply);
        if (outcome === 'forgotten') await this.unregister(userId);
        return { result: outcome, isFirst: isFirstOfUser };
      };
      // A user whose memory was the nearest has one, and is listed since.
      return decision.nearestId === null ? this.registering(userId, write) : this.registeringFirst(userId, write);
    });
  }

  async statistics(userId: string, model: string): Promise<number[]> {
    const { statistics } = this.keys.ofUser(userId);
    const sums = parseSums(await reachingRedis(() => this.connections.commands.hget(statistics, model)));
    if (sums === undefined) this.note('statistics', userId, model, 'they are no numbers');
    return sums ?? [];
  }

  async decisions(userId: string, limit: number): Promise<Decision[]> {
    const read = async (count: number): Promise<DecisionRow[]> =>
      parseDecisions(await reachingRedis(() => this.run(DECISIONS, userId, [], [count])));
    return decodableOf(limit, read, ([id, body]) => {
      const { record, problem } = decodeDecision(userId, id, body);
      if (!record) this.note('decision', userId, id, problem);
      return record;
    });
  }

  async forgetMark(userId: string): Promise<string> {
    return (await reachingRedis(() => this.connections.commands.get(this.keys.ofUser(userId).forgetMark))) ?? '';
  }

  async forget(userId: string, mark: string): Promise<number> {
    return reachingRedis(async () => {
      const reply = await this.onAllGenerations((all) => this.run(FORGET, userId, all, [mark, FORGET_MARK_LASTS_MS]));
      await this.unregister(userId);
      return parseCount(reply);
    });
  }

  async beginReembedding(space: EmbeddingSpace): Promise<void> {
    await reachingRedis(() => this.reembedding.begin(space));
  }

  async pendingReembedding(limit: number): Promise<PendingReembedding[]> {
    return reachingRedis(() => this.reembedding.pending(limit));
  }

  async reembeddingProgress(): Promise<{ total: number; done: number }> {
    return reachingRedis(() => this.reembedding.progress());
  }

  async putReembedded(items: readonly (PendingReembedding & { readonly vector: Float32Array })[]): Promise<void> {
    await reachingRedis(() => this.reembedding.put(items));
  }

  async finishReembedding(): Promise<void> {
    await reachingRedis(() => this.reembedding.finish());
  }

  /** A write that changes nothing after the first time, and is refused when writes are. */
  async check(): Promise<void> {
    await reachingSharedKeys(async () => {
      await this.connections.commands.hsetnx(this.keys.spaces, 'layout', LAYOUT);
      // The memories of users are on all masters of a cluster, that key on one.
      await this.connections.ping();
    });
  }

  private decode(userId: string, row: MemoryRow): Memory | undefined {
    const { record, problem } = decodeMemoryRow(userId, row);
    if (!record) this.note('memory', userId, row[0], problem);
    return record;
  }

  private note(kind: 'memory' | 'decision' | 'statistics', userId: string, id: string, problem: string): void {
    this.undecodable.note({ kind, userId, id, problem });
  }

  private run(
    script: RedisScript,
    userId: string,
    generations: readonly number[],
    args: readonly ScriptArgument[],
  ): Promise<unknown> {
    return script.run(this.connections.commands, scriptKeys(this.keys.ofUser(userId), generations), args);
  }

  /**
   * Has the user listed among those with memories while `write` gives them some: before, so that a crash leaves no
   * memories that a re-embedding would miss, and after the first one again, in case a forget came between the two.
   */
  private async registering<T>(userId: string, write: () => Promise<Written<T>>): Promise<T> {
    const [, result] = await Promise.all([this.enlist(userId), this.registeringFirst(userId, write)]);
    return result;
  }

  /** The same for a user who is listed, and whom a forget may take off the list meanwhile. */
  private async registeringFirst<T>(userId: string, write: () => Promise<Written<T>>): Promise<T> {
    const { result, isFirst } = await write();
    if (isFirst) await this.enlist(userId);
    return result;
  }

  /** Takes the user off the list, unless somebody gave them memories meanwhile. */
  private async unregister(userId: string): Promise<void> {
    const { commands } = this.connections;
    const { memory, shadow } = this.keys.ofUser(userId);
    const [, left] = await Promise.all([
      reachingSharedKeys(() => commands.srem(this.keys.users, userId)),
      commands.exists(memory.ids, shadow.ids),
    ]);
    if (left > 0) await this.enlist(userId);
  }

  private async enlist(userId: string): Promise<void> {
    await reachingSharedKeys(() => this.connections.commands.sadd(this.keys.users, userId));
  }

  /**
   * Runs `remove` on the vectors of every generation; once more if another had been begun by then. What is removed gets
   * no vector afterwards, so that is enough.
   */
  private async onAllGenerations(remove: (generations: readonly number[]) => Promise<unknown>): Promise<unknown> {
    const known = allGenerations(await this.embeddingSpaces.recent());
    const reply = await remove(known);
    const now = allGenerations(await this.embeddingSpaces.read());
    if (now.some((generation) => !known.includes(generation))) await remove(now);
    return reply;
  }
}

interface Written<T> {
  readonly result: T;
  /** Whether the user had nothing before. */
  readonly isFirst: boolean;
}

/** The generations that a write has to do with: it adds to the first and takes away from both. */
function writable({ current, next }: StoredSpaces): number[] {
  return [current?.generation ?? NO_GENERATION, ...(next ? [next.generation] : [])];
}

function allGenerations(spaces: StoredSpaces): number[] {
  return [...writable(spaces), ...spaces.abandoned];
}

function toStoreSpaces({ current, next }: StoredSpaces): StoreSpaces {
  const toSpace = ({ model, dimensions }: EmbeddingSpace): EmbeddingSpace => ({ model, dimensions });
  return { current: current && toSpace(current), next: next && toSpace(next) };
}

function effectArguments(effect: Effect): ScriptArgument[] {
  if (effect.kind === 'strengthen') return [effect.kind, effect.id, '', '', effect.seenAtMs];
  const { memory, vector } = effect.memory;
  const expiresAtMs = effect.kind === 'shadow' ? Math.ceil(effect.expiresAtMs) : '';
  return [effect.kind, memory.id, encodeMemoryBody(memory), encodeVector(vector), expiresAtMs];
}

function stepArguments({ model, decay, addends }: StatisticsStep): ScriptArgument[] {
  return [model, decay, addends.join(' ')];
}
