import {
  carriedMark,
  FORGET_MARK_LASTS_MS,
  memoryKeys,
  type RedisConnections,
  type ScriptArgument,
} from '../../../infra/redis/index.js';
import type { Decision, EmbeddingSpace, Memory } from '../../memory.js';
import { type MemoryLimits } from '../../store/memory-limits.js';
import {
  type Candidate,
  type CandidateQuery,
  type IndexedMemory,
  type Judgement,
  type ListOptions,
  type ListPosition,
  type MemoryChange,
  MemoryStore,
  type MemoryToPut,
  type MemoryUsage,
  type PutOptions,
  type PutOutcome,
  type RecordOutcome,
  type StoreSpaces,
} from '../../store/memory-store.port.js';
import type { ReembeddingStore } from '../../store/reembedding-store.port.js';
import type { ReindexingStore } from '../../store/reindexing-store.port.js';
import { bytesOf, retentionOf } from '../../store/retention.js';
import { inWaves, oneByOne } from '../shared/batches.js';
import { decodablePage } from '../shared/decodable.js';
import { asOf, matchesFilter } from '../shared/memory-filter.js';
import { RedisEmbeddingSpaces, type StoredSpaces } from './redis-embedding-spaces.js';
import { reachingRedis, reachingSharedKeys } from './redis-failures.js';
import { decodeMemoryRow, encodeSupersession, memoryArguments } from './redis-memory-records.js';
import {
  type MemoryRow,
  parseChange,
  parseCount,
  parseFlag,
  parsePut,
  parseReplace,
  parseRows,
} from './redis-memory-replies.js';
import { RedisMemorySearch } from './redis-memory-search.js';
import { LIST, READ } from './scripts/redis-read-scripts.js';
import { RedisReembeddingStore } from './reembedding/redis-reembedding.js';
import { RedisReindexingStore } from './reembedding/redis-reindexing.js';
import { RedisJudgements } from './redis-judgements.js';
import { RedisUsers } from './redis-users.js';
import { RedisWrites, writable } from './redis-writes.js';
import { CHANGE, DELETE, FORGET, NOTE_RECALLED, PUT, REINSTATE, REPLACE } from './scripts/redis-write-scripts.js';
import { encodeMemoryBody } from '../shared/stored-memory.js';

// The layout of the keys, for a later version that changes it.
const LAYOUT = 1;
// Memories that one look of a list with a filter takes in, which may leave few of them.
const FILTERED_PAGE = 500;

export interface RedisMemoryStoreOptions {
  /** The prefix of every key. */
  readonly keyPrefix?: string;
}

/**
 * {@link MemoryStore} on Redis 8. Each user has a vector set, sorted sets of terms, and further hashes and sorted sets,
 * all on one slot. A change of more than one of them is one script.
 */
export class RedisMemoryStore extends MemoryStore {
  readonly reembedding: ReembeddingStore;
  readonly reindexing: ReindexingStore;
  private readonly users: RedisUsers;
  private readonly embeddingSpaces: RedisEmbeddingSpaces;
  private readonly search: RedisMemorySearch;
  private readonly writes: RedisWrites;
  private readonly judgements: RedisJudgements;

  constructor(
    private readonly connections: RedisConnections,
    limits: MemoryLimits,
    { keyPrefix = '' }: RedisMemoryStoreOptions = {},
  ) {
    super();
    const keys = memoryKeys(keyPrefix);
    this.users = new RedisUsers(connections, keys);
    this.embeddingSpaces = new RedisEmbeddingSpaces(connections, keys.spaces);
    this.writes = new RedisWrites(this.users, this.embeddingSpaces, limits);
    this.judgements = new RedisJudgements(this.users, this.writes, limits.maxDecisions, this.undecodable);
    this.search = new RedisMemorySearch(this.users, this.embeddingSpaces, (userId, row) => this.decode(userId, row));
    this.reembedding = new RedisReembeddingStore(this.users, this.embeddingSpaces, this.undecodable);
    this.reindexing = new RedisReindexingStore(this.users, this.embeddingSpaces, limits, this.undecodable);
  }

  async spaces(): Promise<StoreSpaces> {
    return reachingRedis(async () => toStoreSpaces(await this.embeddingSpaces.read()));
  }

  async claimSpace(space: EmbeddingSpace): Promise<StoreSpaces> {
    return reachingRedis(async () => toStoreSpaces(await this.embeddingSpaces.claim(space)));
  }

  async put(userId: string, memories: readonly MemoryToPut[], options: PutOptions = {}): Promise<PutOutcome[]> {
    if (memories.length === 0) return [];
    return reachingRedis(async () => {
      const spaces = await this.writes.spacesFor(memories);
      return this.users.registering(userId, async () => {
        const putOne = async (memory: MemoryToPut) => {
          const args = [
            carriedMark(options.forgetMark),
            ...this.writes.room,
            ...linkArguments(memory),
            ...memoryArguments(memory, options),
          ];
          const put = parsePut(await this.users.run(PUT, userId, writable(spaces), args));
          await this.writes.makeRoom(userId, spaces, put.hasMore);
          return put;
        };
        // A memory that supersedes another of them always comes after it.
        const isLinked = memories.some(({ supersedes, supersededBy }) => supersedes ?? supersededBy);
        const replies = isLinked ? await oneByOne(memories, putOne) : await inWaves(memories, putOne);
        return {
          result: replies.map(({ outcome }) => outcome),
          isFirst: replies.some(({ isFirstOfUser }) => isFirstOfUser),
        };
      });
    });
  }

  async get(userId: string, id: string): Promise<Memory | undefined> {
    const row = await reachingRedis(() => this.row(userId, id));
    return row && this.decode(userId, row);
  }

  async list(userId: string, options: ListOptions): Promise<Memory[]> {
    const { limit, filter } = options;
    const count = filter === undefined ? limit : Math.max(limit, FILTERED_PAGE);
    const read = async (after: ListPosition | undefined): Promise<MemoryRow[]> => {
      const position = after === undefined ? [] : [after.createdAtMs, after.id];
      return parseRows(await reachingRedis(() => this.users.run(LIST, userId, [], [count, ...position])));
    };
    const decode = (row: MemoryRow): Memory | undefined => {
      const memory = this.decode(userId, row);
      return memory && matchesFilter(memory, filter) ? asOf(memory, filter?.asOfMs) : undefined;
    };
    // It is found again by its id. If it was deleted meanwhile, its time tells where it was.
    const positionOf = (row: MemoryRow): ListPosition => ({
      id: row.id,
      createdAtMs: decodeMemoryRow(userId, row).record?.createdAtMs ?? 0,
    });
    return decodablePage(options, read, positionOf, decode);
  }

  async candidates(userId: string, query: CandidateQuery): Promise<Candidate[]> {
    return reachingRedis(() => this.search.candidates(userId, query));
  }

  async findText(userId: string, digest: string): Promise<string | undefined> {
    const { texts } = this.users.keys.ofUser(userId);
    return (await reachingRedis(() => this.connections.commands.hget(texts, digest))) ?? undefined;
  }

  async delete(userId: string, id: string): Promise<boolean> {
    return reachingRedis(async () =>
      parseFlag(await this.writes.onAllGenerations((all) => this.users.run(DELETE, userId, all, [id]))),
    );
  }

  async change(userId: string, id: string, change: MemoryChange): Promise<Memory | undefined> {
    return reachingRedis(async () => {
      const spaces = await this.embeddingSpaces.recent();
      for (;;) {
        const row = await this.row(userId, id);
        const memory = row && this.decode(userId, row);
        if (row === undefined || memory === undefined || row.body === null) return undefined;
        const changed = { ...memory, ...change };
        // Read beforehand, because a script cannot change one field of a JSON text faithfully.
        const body = change.metadata === undefined ? row.body : encodeMemoryBody(changed);
        const pin = change.isPinned === undefined ? '' : Number(change.isPinned);
        const args = [id, row.body, body, bytesOf(changed), pin, retentionOf(changed), ...this.writes.room];
        const { isDone, hasMore } = parseChange(await this.users.run(CHANGE, userId, writable(spaces), args));
        await this.writes.makeRoom(userId, spaces, hasMore);
        if (isDone) return changed;
      }
    });
  }

  async replace(userId: string, id: string, edited: IndexedMemory): Promise<PutOutcome | undefined> {
    return reachingRedis(async () => {
      const spaces = await this.writes.spacesFor([edited]);
      const args = [id, edited.memory.validFromMs, ...this.writes.room, ...memoryArguments(edited)];
      const replaced = parseReplace(await this.users.run(REPLACE, userId, writable(spaces), args));
      await this.writes.makeRoom(userId, spaces, replaced?.hasMore ?? false);
      return replaced?.outcome;
    });
  }

  async reinstate(userId: string, id: string): Promise<Memory | undefined> {
    await reachingRedis(() => this.users.run(REINSTATE, userId, [], [id]));
    return this.get(userId, id);
  }

  async noteRecalled(userId: string, ids: readonly string[], atMs: number): Promise<void> {
    if (ids.length === 0) return;
    await reachingRedis(() => this.users.run(NOTE_RECALLED, userId, [], [atMs, ...ids]));
  }

  async usage(userId: string): Promise<MemoryUsage> {
    const { ids, pinned, totals } = this.users.keys.ofUser(userId);
    const { commands } = this.connections;
    return reachingRedis(async () => {
      const [memories, pins, sums] = await Promise.all([
        commands.zcard(ids),
        commands.zcard(pinned),
        commands.hmget(totals, 'bytes', 'pinned_bytes'),
      ]);
      const [bytes = 0, pinnedBytes = 0] = sums.map(Number);
      return { memories, bytes, pinned: pins, pinnedBytes };
    });
  }

  async record(judgement: Judgement): Promise<RecordOutcome> {
    return reachingRedis(() => this.judgements.record(judgement));
  }

  async statistics(userId: string, model: string): Promise<number[]> {
    return reachingRedis(() => this.judgements.sums(userId, model));
  }

  async decisions(userId: string, limit: number): Promise<Decision[]> {
    return reachingRedis(() => this.judgements.decisions(userId, limit));
  }

  async forgetMark(userId: string): Promise<string> {
    const { forgetMark } = this.users.keys.ofUser(userId);
    return (await reachingRedis(() => this.connections.commands.get(forgetMark))) ?? '';
  }

  async forget(userId: string, mark: string): Promise<number> {
    const { shadow } = this.users.keys.ofUser(userId);
    return reachingRedis(async () => {
      const reply = await this.writes.onAllGenerations((all) =>
        this.users.run(
          FORGET,
          userId,
          all,
          [mark, FORGET_MARK_LASTS_MS],
          all.map((generation) => shadow.vectors(generation)),
        ),
      );
      await this.users.unregister(userId);
      return parseCount(reply);
    });
  }

  /** A write that changes nothing after the first time, and is refused when writes are. */
  async check(): Promise<void> {
    await reachingSharedKeys(async () => {
      await this.connections.commands.hsetnx(this.users.keys.spaces, 'layout', LAYOUT);
      // The memories of users are on all masters of a cluster, that key on one.
      await this.connections.ping();
    });
  }

  private async row(userId: string, id: string): Promise<MemoryRow | undefined> {
    const [row] = parseRows(await this.users.run(READ, userId, [], [id]));
    return row === undefined || row.body === null ? undefined : row;
  }

  private decode(userId: string, row: MemoryRow): Memory | undefined {
    const { record, problem } = decodeMemoryRow(userId, row);
    if (!record) this.undecodable.note({ kind: 'memory', userId, id: row.id, problem });
    return record;
  }
}

function toStoreSpaces({ current, next }: StoredSpaces): StoreSpaces {
  const toSpace = ({ model, dimensions }: EmbeddingSpace): EmbeddingSpace => ({ model, dimensions });
  return { current: current && toSpace(current), next: next && toSpace(next) };
}

function linkArguments({ supersedes, supersededBy }: MemoryToPut): ScriptArgument[] {
  return [supersedes, supersededBy].flatMap((link) => (link ? [link.id, encodeSupersession(link)] : ['', '']));
}
