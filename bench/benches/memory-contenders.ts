import type { RedisClient, UserMemoryKeys } from '../../src/infra/redis/index.js';
import { SqliteDatabase, type SqliteStatement } from '../../src/infra/sqlite/index.js';
import type { IndexedMemory, Memory, MemoryStore } from '../../src/memory/index.js';
import { DIMENSIONS } from '../synthetic/synthetic-embeddings.js';

/** One way to keep memories and to find the nearest ones. */
export interface Contender {
  /** Takes in many, as fast as may be. */
  load(items: readonly IndexedMemory[]): Promise<void>;
  insert(item: IndexedMemory): Promise<void>;
  /** Of a contender that works on the vectors of another one: removes what it inserted. */
  takeBack?(id: string): Promise<void>;
  /** The ids of the `k` nearest, as the contender has them, by vector alone. */
  search(vector: Float32Array, k: number): Promise<string[]>;
}

// As in the adapters: contenders differ in what is around the engine, not in what it is asked for.
const REDIS_SEARCH_EFFORT = 400;
const VEC0_CHUNK_SIZE = 8;

/** The store of the program. */
export class StoreContender implements Contender {
  constructor(
    private readonly store: MemoryStore,
    private readonly userId: string,
  ) {}

  async load(items: readonly IndexedMemory[]): Promise<void> {
    await this.store.put(this.userId, items);
  }

  async insert(item: IndexedMemory): Promise<void> {
    await this.store.put(this.userId, [item]);
  }

  async search(vector: Float32Array, k: number): Promise<string[]> {
    const found = await this.store.candidates(this.userId, { vector, limit: k });
    return found.map(({ memory }) => memory.id);
  }
}

/**
 * VADD and VSIM alone, on the vector set of our own store: a second one would take minutes to build, and be another
 * graph, with other paths through it.
 */
export class BareRedis implements Contender {
  protected readonly vectors: string;

  constructor(
    protected readonly commands: RedisClient,
    protected readonly keys: UserMemoryKeys,
    generation: number,
  ) {
    this.vectors = keys.vectors(generation);
  }

  async load(): Promise<void> {
    // Our store has done it.
  }

  async insert({ memory, vector }: IndexedMemory): Promise<void> {
    await this.commands.call('VADD', this.vectors, 'FP32', bytesOf(vector), memory.id);
  }

  async takeBack(id: string): Promise<void> {
    const removed = await this.commands.call('VREM', this.vectors, id);
    if (removed !== 1) throw new Error('What was inserted is not there.');
  }

  async search(vector: Float32Array, k: number): Promise<string[]> {
    const query = ['FP32', bytesOf(vector), 'WITHSCORES', 'COUNT', k, 'EF', REDIS_SEARCH_EFFORT] as const;
    // Otherwise the server gives each search a thread of its own, which takes longer where nobody else is waiting.
    const reply = await this.commands.call('VSIM', this.vectors, ...query, 'NOTHREAD');
    return (reply as string[]).filter((_, index) => index % 2 === 0);
  }
}

/** The same with what else it takes to have memories: each as JSON, read in a second round trip, and their order. */
export class BareRedisWithMemories extends BareRedis {
  override async insert({ memory, vector }: IndexedMemory): Promise<void> {
    const { items, ids } = this.keys;
    await this.commands
      .multi()
      .call('VADD', this.vectors, 'FP32', bytesOf(vector), memory.id)
      .hset(items, memory.id, JSON.stringify(memory))
      .zadd(ids, 0, memory.id)
      .exec();
  }

  override async takeBack(id: string): Promise<void> {
    await super.takeBack(id);
    await this.commands.hdel(this.keys.items, id);
    await this.commands.zrem(this.keys.ids, id);
  }

  override async search(vector: Float32Array, k: number): Promise<string[]> {
    const ids = await super.search(vector, k);
    const bodies = await this.commands.hmget(this.keys.items, ...ids);
    const memories = bodies.map((body) => JSON.parse(body ?? 'null') as unknown);
    return ids.filter((_, index) => memories[index] !== null);
  }
}

/** A table of `sqlite-vec` like that of our store, in a file of its own. */
export class BareSqlite implements Contender {
  private readonly insertVector: SqliteStatement;
  private readonly searchVectors: SqliteStatement;

  constructor(
    protected readonly database: SqliteDatabase,
    protected readonly owner: string,
  ) {
    database
      .prepare(
        `CREATE VIRTUAL TABLE vectors USING vec0(
          owner TEXT PARTITION KEY,
          embedding FLOAT[${DIMENSIONS}] DISTANCE_METRIC=cosine,
          CHUNK_SIZE=${VEC0_CHUNK_SIZE}
        )`,
      )
      .run();
    database.prepare('CREATE INDEX vectors_chunks_by_owner ON vectors_chunks (partition00)').run();
    this.insertVector = database.prepare('INSERT INTO vectors (owner, embedding) VALUES (?, ?)');
    this.searchVectors = database.prepare(
      'SELECT rowid, distance FROM vectors WHERE embedding MATCH ? AND owner = ? AND k = ? ORDER BY distance',
    );
  }

  async load(items: readonly IndexedMemory[]): Promise<void> {
    await this.database.transaction(() => {
      for (const item of items) this.put(item);
    });
  }

  /** Resolves when it is on the disk, as that of our store does. */
  async insert(item: IndexedMemory): Promise<void> {
    await this.load([item]);
    await this.database.sync();
  }

  search(vector: Float32Array, k: number): Promise<string[]> {
    const rows = this.searchVectors.all(bytesOf(vector), this.owner, BigInt(k));
    return Promise.resolve(rows.map(({ rowid }) => String(rowid)));
  }

  protected put({ vector }: IndexedMemory): number | bigint {
    return this.insertVector.run(this.owner, bytesOf(vector)).lastInsertRowid;
  }
}

/** The same with what else it takes to have memories: a table with each as JSON, joined to what is found. */
export class BareSqliteWithMemories extends BareSqlite {
  private readonly insertMemory: SqliteStatement;
  private readonly searchMemories: SqliteStatement;

  constructor(database: SqliteDatabase, owner: string) {
    super(database, owner);
    database
      .prepare('CREATE TABLE bodies (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body TEXT NOT NULL)')
      .run();
    this.insertMemory = database.prepare('INSERT INTO bodies (seq, id, body) VALUES (?, ?, ?)');
    this.searchMemories = database.prepare(`
      SELECT id, body, distance FROM vectors JOIN bodies ON seq = vectors.rowid
      WHERE embedding MATCH ? AND owner = ? AND k = ? ORDER BY distance`);
  }

  override search(vector: Float32Array, k: number): Promise<string[]> {
    const rows = this.searchMemories.all(bytesOf(vector), this.owner, BigInt(k));
    return Promise.resolve(rows.map(({ body }) => (JSON.parse(String(body)) as Memory).id));
  }

  protected override put(item: IndexedMemory): number | bigint {
    const seq = super.put(item);
    this.insertMemory.run(seq, item.memory.id, JSON.stringify(item.memory));
    return seq;
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength);
