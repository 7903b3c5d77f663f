import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SqliteDatabase } from '../../../src/infra/sqlite/index.js';
import { SqliteMemoryStore } from '../../../src/memory/adapters/sqlite/sqlite-memory-store.js';
import { MemoryStoreUnavailableError, MemoryVectorError, ReembeddingError } from '../../../src/memory/memory.errors.js';
import { StoreRefusedError } from '../../../src/shared/index.js';
import { axis, indexed, judgementOf, keep, nearest, range, search } from './memory-store.fixtures.js';
import { TEST_LIMITS } from './memory-store.harness.js';

const STATISTICS = [{ model: 'llm', decay: 1, addends: [1] }];

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
      sut = new SqliteMemoryStore(database, TEST_LIMITS);
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
      const judgement = judgementOf(keep(indexed('half way')), { statistics: STATISTICS });
      outside.exec(
        `CREATE TRIGGER refuse BEFORE INSERT ON memory_statistics BEGIN SELECT RAISE(ABORT, 'refused'); END`,
      );

      await expect(sut.record(judgement)).rejects.toThrow(StoreRefusedError);

      expect(await sut.usage('ada')).toMatchObject({ memories: 0 });
      expect(await sut.candidates('ada', { vector: axis(0), terms: ['half'], limit: 9 })).toEqual([]);
      expect(await sut.decisions('ada', 10)).toEqual([]);
      expect(countRows('memory_vectors_1_rowids')).toBe(0);
      outside.exec('DROP TRIGGER refuse');
      expect(await sut.record(judgement)).toBe('recorded');
      expect(await search(sut, 'ada', axis(0))).toHaveLength(1);
    });

    it('claims a space with its table, or not at all', async () => {
      outside.exec('CREATE TABLE memory_vectors_1 (in_the_way)');
      await expect(sut.claimSpace({ model: 'embedder', dimensions: 8 })).rejects.toThrow(MemoryStoreUnavailableError);
      expect(await sut.spaces()).toEqual({ current: undefined, next: undefined });

      outside.exec('DROP TABLE memory_vectors_1');
      await sut.claimSpace({ model: 'other', dimensions: 4 });

      expect(await sut.put('ada', [indexed('kept', axis(0, 4))])).toMatchObject([{ status: 'new' }]);
    });

    it('takes little room for users with few memories', async () => {
      await sut.claimSpace({ model: 'embedder', dimensions: 384 });
      for (let user = 0; user < 100; user++) {
        await sut.put(`user ${user}`, [indexed('kept', axis(user, 384), { userId: `user ${user}` })]);
      }
      outside.exec('PRAGMA wal_checkpoint(TRUNCATE)');

      // With sqlite-vec's own chunks it would be 157 MB.
      expect((await stat(path)).size).toBeLessThan(4_000_000);
      expect((await nearest(sut, 'user 42', axis(42, 384)))?.similarity).toBeCloseTo(1);
    });

    it('searches for all that sqlite-vec gives when asked for more, and for none', async () => {
      await sut.claimSpace({ model: 'embedder', dimensions: 8 });
      await sut.put('ada', [indexed('kept')]);

      expect(await search(sut, 'ada', axis(0), { limit: 1_000_000 })).toHaveLength(1);
      expect(await search(sut, 'ada', axis(0), { limit: 0 })).toEqual([]);
    });

    it('knows the length of memories that are longer than the numbers of documents tell', async () => {
      await sut.claimSpace({ model: 'embedder', dimensions: 8 });
      const long = (words: number): string => `tea ${Array.from({ length: words }, (_, i) => `word${i}`).join(' ')}`;
      await sut.put('ada', [indexed(long(5_000)), indexed(long(9_000)), indexed('tea')]);

      const found = await sut.candidates('ada', { terms: ['tea'], limit: 5 });

      const scores = found.map(({ memory, bm25 }) => [memory.text.length, bm25 ?? 0]).sort(([a], [b]) => a! - b!);
      const idf = Math.log(1 + 0.5 / 3.5);
      expect(scores.map(([, bm25]) => bm25)).toEqual(
        [1, 5_001, 9_001].map((length): unknown =>
          expect.closeTo((idf * 2.2) / (1 + 1.2 * (0.25 + (0.75 * length * 3) / 14_003)), 6),
        ),
      );
      await sut.delete('ada', found[0]!.memory.id);
      expect(await sut.candidates('ada', { terms: ['tea'], limit: 5 })).toHaveLength(2);
    });

    it.each([0, 1.5, 8_193])('refuses a space of %d dimensions', async (dimensions) => {
      await expect(sut.claimSpace({ model: 'embedder', dimensions })).rejects.toThrow(MemoryVectorError);

      expect(await sut.spaces()).toEqual({ current: undefined, next: undefined });
    });

    it('forgets more memories than fit into one transaction, vectors and all', async () => {
      await sut.claimSpace({ model: 'embedder', dimensions: 8 });
      const memories = range(450).map((index) => indexed(`memory ${index}`, axis(index % 8)));
      await sut.put('ada', memories);
      await sut.put('bob', [indexed('kept', axis(0), { userId: 'bob' })]);

      expect(await sut.forget('ada', 'mark')).toBe(450);

      expect(countRows('memories')).toBe(1);
      expect(countRows('memory_vectors_1_rowids')).toBe(1);
    });

    it('keeps what comes while it forgets', async () => {
      await sut.claimSpace({ model: 'embedder', dimensions: 8 });
      const old = range(900).map((index) => indexed(`old ${index}`));
      await sut.put('ada', old);
      const fresh = judgementOf(keep(indexed('fresh')), { forgetMark: 'mark' });

      const forgetting = sut.forget('ada', 'mark');
      expect(await sut.record(fresh)).toBe('recorded');

      expect(await forgetting).toBe(900);
      expect((await sut.list('ada', { limit: 10 })).map(({ text }) => text)).toEqual(['fresh']);
    });

    it('leaves no vectors behind of a move that was given up or finished', async () => {
      await sut.claimSpace({ model: 'a', dimensions: 8 });
      await sut.put('ada', [indexed('kept')]);
      await sut.reembedding.begin({ model: 'b', dimensions: 6 });
      await sut.reembedding.begin({ model: 'c', dimensions: 5 });
      expect(vectorTables()).toEqual(['memory_vectors_1', 'memory_vectors_3']);

      const pending = await sut.reembedding.pending(10);
      await sut.reembedding.put(pending.map((item) => ({ ...item, vector: axis(0, 5) })));
      await sut.reembedding.finish();

      expect(vectorTables()).toEqual(['memory_vectors_3']);
    });

    it('does not finish a move while a memory would be lost to search', async () => {
      await sut.claimSpace({ model: 'a', dimensions: 8 });
      await sut.put('ada', [indexed('kept')]);
      await sut.reembedding.begin({ model: 'b', dimensions: 6 });

      await expect(sut.reembedding.finish()).rejects.toThrow(ReembeddingError);

      expect(await search(sut, 'ada', axis(0))).toHaveLength(1);
    });

    it('does not give a memory the vector of another text that had its id', async () => {
      await sut.claimSpace({ model: 'a', dimensions: 8 });
      const { id } = indexed('').memory;
      await sut.put('ada', [indexed('old text', axis(0), { id })]);
      await sut.reembedding.begin({ model: 'b', dimensions: 6 });
      const pending = await sut.reembedding.pending(10);
      await sut.delete('ada', id);
      await sut.put('ada', [indexed('new text', axis(0), { id })]);

      await sut.reembedding.put(pending.map((item) => ({ ...item, vector: axis(0, 6) })));

      expect((await sut.reembedding.pending(10)).map(({ text }) => text)).toEqual(['new text']);
    });

    it('fails after its file was closed', async () => {
      await database.close();

      await expect(sut.usage('ada')).rejects.toThrow(MemoryStoreUnavailableError);
      await expect(sut.check()).rejects.toThrow(MemoryStoreUnavailableError);
    });
  });
}
