import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SqliteDatabase } from '../../../src/infra/sqlite/index.js';
import { SqliteMemoryStore } from '../../../src/memory/adapters/sqlite-memory-store.js';
import { MemoryStoreUnavailableError, MemoryVectorError, ReembeddingError } from '../../../src/memory/memory.errors.js';
import type { EmbeddedMemory, Judgement } from '../../../src/memory/memory-store.port.js';
import { newId, StoreRefusedError } from '../../../src/shared/index.js';

const EVERYTHING = { limit: 100, minSimilarity: -1, includeShadow: true };

const axis = (main: number, dimensions = 8): Float32Array =>
  new Float32Array(dimensions).map((_, index) => (index === main ? 1 : 0));

const embedded = (userId: string, text: string, vector = axis(0)): EmbeddedMemory => ({
  memory: {
    id: newId(),
    text,
    userId,
    sessionId: null,
    role: 'user',
    createdAtMs: 1,
    perplexity: null,
    avgLogprob: null,
    novelty: null,
    surprise: null,
    model: null,
    source: 'worker',
    metadata: {},
    count: 1,
    lastSeenAtMs: 1,
  },
  vector,
});

const judgementOf = (memory: EmbeddedMemory, expiresAtMs?: number): Judgement => ({
  decision: {
    id: memory.memory.id,
    userId: memory.memory.userId,
    sessionId: null,
    decidedAtMs: 1,
    model: null,
    perplexity: null,
    informationNats: null,
    contextual: false,
    plainPerplexity: null,
    novelty: 1,
    nearestId: null,
    surprise: 1,
    threshold: 0.7,
    mode: 'fixed',
    kept: expiresAtMs === undefined,
    reason: '',
  },
  forgetMark: '',
  effect: expiresAtMs === undefined ? { kind: 'keep', memory } : { kind: 'shadow', memory, expiresAtMs },
  statistics: [{ model: 'llm', decay: 1, addends: [1] }],
});

/** What only the embedded adapter has to do, beside the contract. */
export function describeSqliteMemoryStore(): void {
  describe(SqliteMemoryStore.name, () => {
    let folder: string;
    let path: string;
    let database: SqliteDatabase;
    let outside: DatabaseSync;
    let sut: SqliteMemoryStore;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'memory-store-'));
      path = join(folder, 'brain.sqlite');
      database = await SqliteDatabase.open(path);
      outside = new DatabaseSync(path);
      sut = new SqliteMemoryStore(database, { shadowMaxEntries: 10, maxDecisions: 10 });
    });

    afterEach(async () => {
      outside.close();
      await database.close();
      await rm(folder, { recursive: true });
    });

    const countRows = (table: string): number => Number(outside.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n);
    const vectorTables = (): unknown[] =>
      outside
        .prepare(`SELECT name FROM sqlite_schema WHERE name GLOB 'memory_vectors_*' AND sql LIKE 'CREATE VIRTUAL%'`)
        .all()
        .map(({ name }) => name);

    it('writes a judgement with the vector, or nothing of it', async () => {
      await sut.claimSpace({ model: 'embedder', dimensions: 8 });
      const judgement = judgementOf(embedded('ada', 'half way'));
      outside.exec(
        `CREATE TRIGGER refuse BEFORE INSERT ON memory_statistics BEGIN SELECT RAISE(ABORT, 'refused'); END`,
      );

      await expect(sut.record(judgement)).rejects.toThrow(StoreRefusedError);

      expect(await sut.count('ada')).toEqual({ memories: 0, shadow: 0 });
      expect(await sut.search('ada', axis(0), EVERYTHING)).toEqual([]);
      expect(await sut.decisions('ada', 10)).toEqual([]);
      expect(countRows('memory_vectors_1_rowids')).toBe(0);
      outside.exec('DROP TRIGGER refuse');
      expect(await sut.record(judgement)).toBe('recorded');
      expect(await sut.search('ada', axis(0), EVERYTHING)).toHaveLength(1);
    });

    it('claims a space with its table, or not at all', async () => {
      outside.exec('CREATE TABLE memory_vectors_1 (in_the_way)');
      await expect(sut.claimSpace({ model: 'embedder', dimensions: 8 })).rejects.toThrow(MemoryStoreUnavailableError);
      expect(await sut.spaces()).toEqual({ current: undefined, next: undefined });

      outside.exec('DROP TABLE memory_vectors_1');
      await sut.claimSpace({ model: 'other', dimensions: 4 });

      expect(await sut.put('ada', [embedded('ada', 'kept', axis(0, 4))])).toEqual([true]);
    });

    it('takes little room for users with few memories', async () => {
      await sut.claimSpace({ model: 'embedder', dimensions: 384 });
      for (let user = 0; user < 100; user++) {
        await sut.put(`user ${user}`, [embedded(`user ${user}`, 'kept', axis(user, 384))]);
      }
      outside.exec('PRAGMA wal_checkpoint(TRUNCATE)');

      // With sqlite-vec's own chunks it would be 157 MB.
      expect((await stat(path)).size).toBeLessThan(4_000_000);
      expect((await sut.nearest('user 42', axis(42, 384)))?.similarity).toBeCloseTo(1);
    });

    it('searches for all that sqlite-vec gives when asked for more, and for none', async () => {
      await sut.claimSpace({ model: 'embedder', dimensions: 8 });
      await sut.put('ada', [embedded('ada', 'kept')]);

      expect(await sut.search('ada', axis(0), { ...EVERYTHING, limit: 1_000_000 })).toHaveLength(1);
      expect(await sut.search('ada', axis(0), { ...EVERYTHING, limit: 0 })).toEqual([]);
    });

    it.each([0, 1.5, 8_193])('refuses a space of %d dimensions', async (dimensions) => {
      await expect(sut.claimSpace({ model: 'embedder', dimensions })).rejects.toThrow(MemoryVectorError);

      expect(await sut.spaces()).toEqual({ current: undefined, next: undefined });
    });

    it('forgets more memories than fit into one transaction, vectors and all', async () => {
      await sut.claimSpace({ model: 'embedder', dimensions: 8 });
      const memories = Array.from({ length: 450 }, (_, index) => embedded('ada', `memory ${index}`, axis(index % 8)));
      await sut.put('ada', memories);
      await sut.put('bob', [embedded('bob', 'kept')]);

      expect(await sut.forget('ada', 'mark')).toBe(450);

      expect(countRows('memories')).toBe(1);
      expect(countRows('memory_vectors_1_rowids')).toBe(1);
    });

    it('keeps what comes while it forgets', async () => {
      await sut.claimSpace({ model: 'embedder', dimensions: 8 });
      const old = Array.from({ length: 900 }, (_, index) => embedded('ada', `old ${index}`));
      await sut.put('ada', old);
      const fresh = { ...judgementOf(embedded('ada', 'fresh')), forgetMark: 'mark' };

      const forgetting = sut.forget('ada', 'mark');
      expect(await sut.record(fresh)).toBe('recorded');

      expect(await forgetting).toBe(900);
      expect((await sut.list('ada', { limit: 10 })).map(({ text }) => text)).toEqual(['fresh']);
    });

    it('removes the expired entries of all users with the next decisions, a portion each', async () => {
      const expiresAtMs = Date.now() + 300;
      await sut.claimSpace({ model: 'embedder', dimensions: 8 });
      for (let user = 0; user < 40; user++) {
        await sut.record(judgementOf(embedded(`user ${user}`, 'waiting'), expiresAtMs));
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, expiresAtMs - Date.now()) + 10));

      for (const text of ['one', 'two']) await sut.record(judgementOf(embedded('ada', text)));

      expect(countRows('memories')).toBe(2);
      expect(countRows('memory_vectors_1_rowids')).toBe(2);
    });

    it('leaves no vectors behind of a move that was given up or finished', async () => {
      await sut.claimSpace({ model: 'a', dimensions: 8 });
      await sut.put('ada', [embedded('ada', 'kept')]);
      await sut.beginReembedding({ model: 'b', dimensions: 6 });
      await sut.beginReembedding({ model: 'c', dimensions: 5 });
      expect(vectorTables()).toEqual(['memory_vectors_1', 'memory_vectors_3']);

      const pending = await sut.pendingReembedding(10);
      await sut.putReembedded(pending.map((item) => ({ ...item, vector: axis(0, 5) })));
      await sut.finishReembedding();

      expect(vectorTables()).toEqual(['memory_vectors_3']);
    });

    it('does not finish a move while a memory would be lost to search', async () => {
      await sut.claimSpace({ model: 'a', dimensions: 8 });
      await sut.put('ada', [embedded('ada', 'kept')]);
      await sut.beginReembedding({ model: 'b', dimensions: 6 });

      await expect(sut.finishReembedding()).rejects.toThrow(ReembeddingError);

      expect(await sut.search('ada', axis(0), EVERYTHING)).toHaveLength(1);
    });

    it('does not give a memory the vector of another text that had its id', async () => {
      await sut.claimSpace({ model: 'a', dimensions: 8 });
      const { memory, vector } = embedded('ada', 'old text');
      await sut.put('ada', [{ memory, vector }]);
      await sut.beginReembedding({ model: 'b', dimensions: 6 });
      const pending = await sut.pendingReembedding(10);
      await sut.delete('ada', memory.id);
      await sut.put('ada', [{ memory: { ...memory, text: 'new text' }, vector }]);

      await sut.putReembedded(pending.map((item) => ({ ...item, vector: axis(0, 6) })));

      expect((await sut.pendingReembedding(10)).map(({ text }) => text)).toEqual(['new text']);
    });

    it('fails after its file was closed', async () => {
      await database.close();

      await expect(sut.count('ada')).rejects.toThrow(MemoryStoreUnavailableError);
      await expect(sut.check()).rejects.toThrow(MemoryStoreUnavailableError);
    });
  });
}
