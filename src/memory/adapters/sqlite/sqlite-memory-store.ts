import { ForgetMarks, type SqliteDatabase } from '../../../infra/sqlite/index.js';
import type { Decision, EmbeddingSpace, Memory } from '../../memory.js';
import { assertVectors, type MemoryLimits } from '../../store/memory-limits.js';
import {
  type Candidate,
  type CandidateQuery,
  type Effect,
  type IndexedMemory,
  type Judgement,
  type ListOptions,
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
import { decodableOf, decodablePage } from '../shared/decodable.js';
import { asOf } from '../shared/memory-filter.js';
import { SqliteAccess } from './sqlite-access.js';
import { SqliteCandidates } from './search/sqlite-candidates.js';
import { SqliteCountedIds } from './sqlite-counted-ids.js';
import { type Generation, SqliteEmbeddingSpaces } from './sqlite-embedding-spaces.js';
import { SqliteJudgements } from './sqlite-judgements.js';
import { SqliteMemories } from './sqlite-memories.js';
import { SqliteMemoryList } from './sqlite-memory-list.js';
import { decodeRow, type Row } from './sqlite-memory-rows.js';
import { type MemoryStatements, prepareStatements } from './sqlite-memory-statements.js';
import { SqliteReembeddingStore } from './reembedding/sqlite-reembedding.js';
import { SqliteReindexingStore } from './reembedding/sqlite-reindexing.js';
import { SqliteTermIndex } from './search/sqlite-term-index.js';

// Memories that one transaction of forgetting removes. The event loop stands still for it: 200 took 3 ms at the median.
const FORGET_PORTION = 200;

/**
 * {@link MemoryStore} in tables of the embedded store. The vectors of each embedding space are in a table of
 * `sqlite-vec`, the words in an FTS5 index.
 */
export class SqliteMemoryStore extends MemoryStore {
  readonly reembedding: ReembeddingStore;
  readonly reindexing: ReindexingStore;
  private readonly access: SqliteAccess;
  private readonly statements: MemoryStatements;
  private readonly embeddingSpaces: SqliteEmbeddingSpaces;
  private readonly memories: SqliteMemories;
  private readonly pages: SqliteMemoryList;
  private readonly search: SqliteCandidates;
  private readonly judgements: SqliteJudgements;
  private readonly marks: ForgetMarks;

  constructor(database: SqliteDatabase, limits: MemoryLimits) {
    super();
    this.access = new SqliteAccess(database);
    this.statements = prepareStatements(database);
    this.embeddingSpaces = new SqliteEmbeddingSpaces(database);
    const terms = new SqliteTermIndex(database);
    const countedIds = new SqliteCountedIds(database);
    this.memories = new SqliteMemories(this.statements, this.embeddingSpaces, terms, countedIds, limits);
    this.pages = new SqliteMemoryList(database);
    const decode = (row: Row): Memory | undefined => this.decode(row);
    this.search = new SqliteCandidates(
      database,
      { statements: this.statements, spaces: this.embeddingSpaces, terms },
      decode,
    );
    this.judgements = new SqliteJudgements(database, limits.maxDecisions, this.undecodable);
    this.reembedding = new SqliteReembeddingStore(this.access, this.statements, this.embeddingSpaces);
    this.reindexing = new SqliteReindexingStore(this.access, this.statements, this.memories, decode);
    this.marks = new ForgetMarks(database);
  }

  async spaces(): Promise<StoreSpaces> {
    return this.access.read(() => this.currentSpaces());
  }

  async claimSpace(space: EmbeddingSpace): Promise<StoreSpaces> {
    const spaces = await this.spaces();
    if (spaces.current) return spaces;
    return this.access.write(() => {
      if (!this.embeddingSpaces.read().current) this.embeddingSpaces.add(space, 'current');
      return this.currentSpaces();
    });
  }

  async put(userId: string, memories: readonly MemoryToPut[], options: PutOptions = {}): Promise<PutOutcome[]> {
    if (memories.length === 0) return [];
    return this.access.write(() => {
      const current = this.spaceOf(memories.map(({ vector }) => vector));
      if (this.marks.isLate(userId, options.forgetMark)) {
        return memories.map(({ memory }) => ({ status: 'forgotten', id: memory.id }));
      }
      return memories.map((memory) => this.memories.keep(memory, current, options));
    });
  }

  async get(userId: string, id: string): Promise<Memory | undefined> {
    const row = await this.access.read(() => this.statements.get.get(userId, id));
    return row && this.decode(row);
  }

  async list(userId: string, options: ListOptions): Promise<Memory[]> {
    return decodablePage(
      options,
      (after) => this.access.read(() => this.pages.page(userId, { ...options, after })),
      (row) => ({ createdAtMs: Number(row.created_at_ms), id: String(row.id) }),
      (row) => {
        const memory = this.decode(row);
        return memory && asOf(memory, options.filter?.asOfMs);
      },
    );
  }

  async candidates(userId: string, query: CandidateQuery): Promise<Candidate[]> {
    return this.access.read(() => this.search.find(userId, query));
  }

  async findText(userId: string, digest: string): Promise<string | undefined> {
    return this.access.one(() => this.memories.findText(userId, digest)?.id);
  }

  async delete(userId: string, id: string): Promise<boolean> {
    const wasThere = await this.access.write(() => {
      const found = this.memories.locate(userId, id);
      if (found) this.memories.remove(found.seq, this.embeddingSpaces.read());
      return found !== undefined;
    });
    if (wasThere) await this.access.scrub();
    return wasThere;
  }

  async change(userId: string, id: string, change: MemoryChange): Promise<Memory | undefined> {
    return this.changing(userId, id, (memory, seq) => {
      this.memories.change(memory, change, seq);
    });
  }

  async replace(userId: string, id: string, edited: IndexedMemory): Promise<PutOutcome | undefined> {
    return this.access.write(() => {
      const current = this.spaceOf([edited.vector]);
      return this.memories.locate(userId, id) && this.memories.replace(id, edited, current);
    });
  }

  async reinstate(userId: string, id: string): Promise<Memory | undefined> {
    return this.changing(userId, id, (memory, seq) => {
      this.memories.reinstate(memory, seq);
    });
  }

  async noteRecalled(userId: string, ids: readonly string[], atMs: number): Promise<void> {
    if (ids.length === 0) return;
    await this.access.commit(() => {
      for (const id of ids) this.memories.noteRecalled(userId, id, atMs);
    });
  }

  async usage(userId: string): Promise<MemoryUsage> {
    return this.access.one(() => this.memories.usage(userId));
  }

  async record(judgement: Judgement): Promise<RecordOutcome> {
    const { decision, forgetMark, effect, statistics } = judgement;
    const { userId } = decision;
    return this.access.commit(() => {
      const apply = this.plan(userId, effect);
      if (this.marks.isLate(userId, forgetMark)) return 'forgotten';
      if (this.judgements.isDecided(decision)) return 'known';
      if (apply === 'stale') return 'stale';
      apply();
      this.judgements.decide(decision);
      for (const step of statistics) this.judgements.step(userId, step);
      return 'recorded';
    });
  }

  async statistics(userId: string, model: string): Promise<number[]> {
    return this.access.one(() => this.judgements.sums(userId, model));
  }

  async decisions(userId: string, limit: number): Promise<Decision[]> {
    return decodableOf(
      limit,
      (count) => this.access.read(() => this.judgements.rows(userId, count)),
      (row) => this.judgements.decode(userId, row),
    );
  }

  async forgetMark(userId: string): Promise<string> {
    return this.access.one(() => this.marks.of(userId));
  }

  async forget(userId: string, mark: string): Promise<number> {
    const highestSeq = await this.access.write(() => {
      this.marks.set(userId, mark);
      this.judgements.forget(userId);
      return Number(this.statements.highestSeq.get(userId)?.seq ?? 0);
    });
    let memories = 0;
    for (;;) {
      const removed = await this.access.write(() => this.memories.removeSome(userId, highestSeq, FORGET_PORTION));
      memories += removed;
      if (removed < FORGET_PORTION) break;
    }
    await this.access.scrub();
    return memories;
  }

  async check(): Promise<void> {
    await this.access.check();
  }

  private currentSpaces(): StoreSpaces {
    const { current, next } = this.embeddingSpaces.read();
    return { current: current?.space, next: next?.space };
  }

  /** The table of the vectors. @throws MemoryVectorError */
  private spaceOf(vectors: readonly Float32Array[]): Generation {
    const { current } = this.embeddingSpaces.read();
    assertVectors(vectors, current?.space);
    return current;
  }

  private decode(row: Row): Memory | undefined {
    const { record, problem } = decodeRow(row);
    if (!record) {
      this.undecodable.note({ kind: 'memory', userId: String(row.user_id), id: String(row.id), problem });
    }
    return record;
  }

  /** Changes a memory that can be read; returns it as it is then. */
  private async changing(
    userId: string,
    id: string,
    change: (memory: Memory, seq: number) => void,
  ): Promise<Memory | undefined> {
    return this.access.write(() => {
      const row = this.statements.get.get(userId, id);
      const memory = row && this.decode(row);
      if (!memory) return undefined;
      change(memory, Number(row.seq));
      const changed = this.statements.get.get(userId, id);
      return changed && this.decode(changed);
    });
  }

  /** What the effect will do, unless the store knows better than who decided on it. @throws MemoryVectorError */
  private plan(userId: string, effect: Effect): (() => void) | 'stale' {
    if (effect.kind === 'drop') return () => undefined;
    const { memory, duplicateOf, supersedes } = effect;
    const current = this.spaceOf([memory.vector]);
    // Somebody imported the message under its id; there is nothing to do but to note that it was decided.
    if (this.memories.locate(userId, memory.memory.id)) return () => undefined;
    const same = this.memories.findText(userId, memory.digest);
    if ((same?.id ?? null) !== duplicateOf) return 'stale';
    return () => {
      this.memories.keep({ ...memory, ...(supersedes && { supersedes }) }, current);
    };
  }
}
