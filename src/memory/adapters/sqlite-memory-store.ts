import { z } from 'zod';
import { ForgetMarks, type SqliteDatabase, sqliteFailuresAs } from '../../infra/sqlite/index.js';
import { StoreRefusedError } from '../../shared/index.js';
import type { Decision, EmbeddingSpace, FoundMemory, Memory, MemoryTier } from '../memory.js';
import { MemoryStoreUnavailableError, ReembeddingError } from '../memory.errors.js';
import { assertComparable, assertVectors, isSameSpace, type MemoryLimits } from '../memory-limits.js';
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
import { decodableOf, decodablePage } from './decodable.js';
import { type Generation, type Generations, SqliteEmbeddingSpaces } from './sqlite-embedding-spaces.js';
import { type MemoryStatements, prepareStatements } from './sqlite-memory-statements.js';
import type { SimilarRow, SqliteVectorTable } from './sqlite-vector-table.js';
import { decodeDecision, encodeDecision } from './stored-decision.js';
import { decodeStoredMemory, toStoredMemory } from './stored-memory.js';
import { parseJson } from './stored-record.js';

// Expired entries that one decision removes. All at once would hold up the event loop after a long pause.
const PURGE_PORTION = 32;
// Memories that one transaction of forgetting removes. The event loop stands still for it: 200 took 3 ms at the median.
const FORGET_PORTION = 200;

const reachingSqlite = sqliteFailuresAs(MemoryStoreUnavailableError, StoreRefusedError);

/** {@link MemoryStore} in tables of the embedded store, with the vectors of each embedding space in one of `sqlite-vec`. */
export class SqliteMemoryStore extends MemoryStore {
  private readonly statements: MemoryStatements;
  private readonly embeddingSpaces: SqliteEmbeddingSpaces;
  private readonly marks: ForgetMarks;

  constructor(
    private readonly database: SqliteDatabase,
    private readonly limits: MemoryLimits,
  ) {
    super();
    this.statements = prepareStatements(database);
    this.embeddingSpaces = new SqliteEmbeddingSpaces(database);
    this.marks = new ForgetMarks(database);
  }

  async spaces(): Promise<StoreSpaces> {
    return this.read(() => this.currentSpaces());
  }

  async claimSpace(space: EmbeddingSpace): Promise<StoreSpaces> {
    const spaces = await this.spaces();
    if (spaces.current) return spaces;
    return this.write(() => {
      if (!this.embeddingSpaces.read().current) this.embeddingSpaces.add(space, 'current');
      return this.currentSpaces();
    });
  }

  async put(userId: string, memories: readonly EmbeddedMemory[], forgetMark?: string): Promise<boolean[]> {
    if (memories.length === 0) return [];
    return this.write(() => {
      const current = this.spaceOf(memories.map(({ vector }) => vector));
      if (this.marks.isLate(userId, forgetMark)) return memories.map(() => false);
      return memories.map((memory) => this.keep(userId, memory, current));
    });
  }

  async get(userId: string, id: string): Promise<Memory | undefined> {
    const row = await this.read(() => this.statements.get.get(userId, id));
    return row && this.decode(row);
  }

  async list(userId: string, options: ListOptions): Promise<Memory[]> {
    const { list, listAfter } = this.statements;
    const { limit } = options;
    return decodablePage(
      options,
      (after) => this.read(() => (after === undefined ? list.all(userId, limit) : listAfter.all(userId, after, limit))),
      ({ id }) => String(id),
      (row) => this.decode(row),
    );
  }

  async search(userId: string, vector: Float32Array, options: SearchOptions): Promise<FoundMemory[]> {
    const { limit, minSimilarity, includeShadow } = options;
    const tiers: MemoryTier[] = includeShadow ? ['memory', 'shadow'] : ['memory'];
    const read = (count: number): Promise<FoundRow[]> =>
      this.read(() => {
        const vectors = this.searchable(vector);
        if (!vectors) return [];
        return tiers
          .flatMap((tier) => vectors.search(userId, tier, vector, count).map((row) => ({ ...row, tier })))
          .filter(({ similarity }) => similarity >= minSimilarity)
          .sort((a, b) => b.similarity - a.similarity)
          .slice(0, count)
          .map((found) => ({ ...found, row: this.statements.read.get(found.seq) }));
      });
    return decodableOf(limit, read, ({ row, tier, similarity }) => {
      const memory = row && this.decode(row);
      return memory && { memory, tier, similarity };
    });
  }

  async nearest(userId: string, vector: Float32Array): Promise<Nearest | undefined> {
    return this.read(() => {
      const found = this.searchable(vector)?.search(userId, 'memory', vector, 1)[0];
      const row = found && this.statements.read.get(found.seq);
      return row && { id: String(row.id), similarity: found.similarity };
    });
  }

  async delete(userId: string, id: string): Promise<boolean> {
    const wasThere = await this.write(() => {
      const found = this.locate(userId, id);
      if (!found) return false;
      this.remove(found.seq, this.embeddingSpaces.read());
      return !found.hasExpired;
    });
    if (wasThere) await reachingSqlite(() => this.database.scrub());
    return wasThere;
  }

  async count(userId: string): Promise<MemoryCounts> {
    return this.read(() => {
      const row = this.statements.count.get(userId, userId, Date.now());
      return { memories: Number(row?.memories ?? 0), shadow: Number(row?.shadow ?? 0) };
    });
  }

  async promote(userId: string, id: string, vector: Float32Array): Promise<boolean> {
    return this.write(() => {
      const current = this.spaceOf([vector]);
      const found = this.locate(userId, id);
      if (found?.tier !== 'shadow' || found.hasExpired) return false;
      // A vector that it has in the next space stands with the shadow buffer: the memory is pending again.
      this.statements.promote.run(current.number, found.seq);
      current.vectors.put(found.seq, userId, 'memory', vector);
      return true;
    });
  }

  async record(judgement: Judgement): Promise<RecordOutcome> {
    const { decision, forgetMark, effect, statistics } = judgement;
    const { userId } = decision;
    return this.commit(() => {
      const apply = this.plan(userId, effect);
      if (this.marks.isLate(userId, forgetMark)) return 'forgotten';
      if (!this.decide(decision)) return 'known';
      apply();
      for (const step of statistics) this.step(userId, step);
      this.trim(userId);
      return 'recorded';
    });
  }

  async statistics(userId: string, model: string): Promise<number[]> {
    // One statement sees one state by itself; a transaction around it would take longer than it does.
    return reachingSqlite(async () => this.sums(userId, model));
  }

  async decisions(userId: string, limit: number): Promise<Decision[]> {
    return decodableOf(
      limit,
      (count) => this.read(() => this.statements.decisions.all(userId, count)),
      (row) => {
        const { record, problem } = decodeDecision(userId, String(row.id), String(row.decision));
        if (!record) this.undecodable.note({ kind: 'decision', userId, id: String(row.id), problem });
        return record;
      },
    );
  }

  async forgetMark(userId: string): Promise<string> {
    return reachingSqlite(async () => this.marks.of(userId));
  }

  async forget(userId: string, mark: string): Promise<number> {
    const highestSeq = await this.write(() => {
      this.marks.set(userId, mark);
      this.statements.removeDecisions.run(userId);
      this.statements.removeSums.run(userId);
      return Number(this.statements.highestSeq.get(userId)?.seq ?? 0);
    });
    let memories = 0;
    for (;;) {
      const { removed, kept } = await this.write(() => this.removeSome(userId, highestSeq));
      memories += kept;
      if (removed < FORGET_PORTION) break;
    }
    await reachingSqlite(() => this.database.scrub());
    return memories;
  }

  async beginReembedding(space: EmbeddingSpace): Promise<void> {
    await this.write(() => {
      const { current, next } = this.embeddingSpaces.read();
      if (next && isSameSpace(next.space, space)) return;
      if (next) {
        if (current) this.statements.resetGeneration.run(current.number, next.number);
        this.embeddingSpaces.drop(next);
      }
      this.embeddingSpaces.add(space, 'next');
    });
  }

  async pendingReembedding(limit: number): Promise<PendingReembedding[]> {
    return this.read(() => {
      const { current, next } = this.embeddingSpaces.read();
      if (!current || !next) return [];
      return this.pending(current, limit);
    });
  }

  async reembeddingProgress(): Promise<{ readonly total: number; readonly done: number }> {
    return this.read(() => {
      const row = this.statements.progress.get(this.embeddingSpaces.read().next?.number ?? null, Date.now());
      return { total: Number(row?.total), done: Number(row?.done) };
    });
  }

  async putReembedded(items: readonly (PendingReembedding & { readonly vector: Float32Array })[]): Promise<void> {
    if (items.length === 0) return;
    await this.write(() => {
      const { next } = this.embeddingSpaces.read();
      // Another process has finished meanwhile.
      if (!next) return;
      assertVectors(
        items.map(({ vector }) => vector),
        next.space,
      );
      for (const item of items) this.putNext(item, next);
    });
  }

  async finishReembedding(): Promise<void> {
    await this.write(() => {
      const { current, next } = this.embeddingSpaces.read();
      if (!next) return;
      if (current) {
        if (this.pending(current, 1).length > 0) throw new ReembeddingError(next.space);
        // What has expired was not embedded anew.
        this.statements.removeOfGeneration.run(current.number);
        this.embeddingSpaces.drop(current);
      }
      this.embeddingSpaces.makeNextCurrent();
    });
  }

  async check(): Promise<void> {
    await reachingSqlite(() => this.database.check());
  }

  private currentSpaces(): StoreSpaces {
    const { current, next } = this.embeddingSpaces.read();
    return { current: current?.space, next: next?.space };
  }

  /** Where the vectors belong. @throws MemoryVectorError */
  private spaceOf(vectors: readonly Float32Array[]): Generation {
    const { current } = this.embeddingSpaces.read();
    assertVectors(vectors, current?.space);
    return current;
  }

  private searchable(vector: Float32Array): SqliteVectorTable | undefined {
    const { current } = this.embeddingSpaces.read();
    if (current) assertVectors([vector], current.space);
    else assertComparable(vector);
    return current?.vectors;
  }

  private decode({ user_id: user, id: rowId, metadata, ...columns }: Row): Memory | undefined {
    const [userId, id] = [String(user), String(rowId)];
    const { record, problem } = decodeStoredMemory(userId, id, { ...columns, metadata: parseJson(String(metadata)) });
    if (!record) this.undecodable.note({ kind: 'memory', userId, id, problem });
    return record;
  }

  private locate(userId: string, id: string): Located | undefined {
    return locatedOf(this.statements.locate.get(userId, id));
  }

  private keep(userId: string, embedded: EmbeddedMemory, current: Generation): boolean {
    const found = this.locate(userId, embedded.memory.id);
    if (found?.tier === 'memory') return false;
    if (found) this.remove(found.seq, this.embeddingSpaces.read());
    this.insert(userId, embedded, null, current);
    return true;
  }

  private shadow(userId: string, embedded: EmbeddedMemory, expiresAtMs: number, current: Generation): void {
    const found = this.locate(userId, embedded.memory.id);
    if (found && !found.hasExpired) return;
    if (found) this.remove(found.seq, this.embeddingSpaces.read());
    this.insert(userId, embedded, expiresAtMs, current);
  }

  private insert(
    userId: string,
    { memory, vector }: EmbeddedMemory,
    expiresAtMs: number | null,
    { number, vectors }: Generation,
  ): void {
    const stored = toStoredMemory(memory);
    const { lastInsertRowid } = this.statements.insert.run(
      number,
      expiresAtMs,
      memory.id,
      stored.text,
      userId,
      stored.session_id,
      stored.role,
      stored.created_at_ms,
      stored.perplexity,
      stored.avg_logprob,
      stored.novelty,
      stored.surprise,
      stored.model,
      stored.source,
      JSON.stringify(stored.metadata),
      stored.count,
      stored.last_seen_at_ms,
      stored.v,
    );
    vectors.add(Number(lastInsertRowid), userId, tierOf(expiresAtMs), vector);
  }

  private remove(seq: number, { current, next }: Generations): void {
    this.statements.remove.run(seq);
    current?.vectors.remove(seq);
    next?.vectors.remove(seq);
  }

  private removeSome(userId: string, highestSeq: number): { readonly removed: number; readonly kept: number } {
    const generations = this.embeddingSpaces.read();
    const rows = this.statements.someOfUser.all(userId, highestSeq, FORGET_PORTION);
    for (const { seq } of rows) this.remove(Number(seq), generations);
    return { removed: rows.length, kept: rows.filter((row) => row.expires_at_ms === null).length };
  }

  /** Returns whether the message had no decision yet. */
  private decide(decision: Decision): boolean {
    const { userId, id, decidedAtMs } = decision;
    return this.statements.decide.run(userId, id, decidedAtMs, encodeDecision(decision)).changes === 1;
  }

  /** What the effect will do. @throws MemoryVectorError */
  private plan(userId: string, effect: Effect): () => void {
    if (effect.kind === 'strengthen') {
      return () => this.statements.strengthen.run(effect.seenAtMs, userId, effect.id);
    }
    const current = this.spaceOf([effect.memory.vector]);
    return effect.kind === 'keep'
      ? () => this.keep(userId, effect.memory, current)
      : () => {
          this.shadow(userId, effect.memory, effect.expiresAtMs, current);
        };
  }

  private sums(userId: string, model: string): number[] {
    const row = this.statements.sums.get(userId, model);
    if (!row) return [];
    const { data } = storedSums.safeParse(parseJson(String(row.sums)));
    if (!data) this.undecodable.note({ kind: 'statistics', userId, id: model, problem: 'they are no numbers' });
    return data ?? [];
  }

  private step(userId: string, { model, decay, addends }: StatisticsStep): void {
    const sums = this.sums(userId, model);
    const length = Math.max(sums.length, addends.length);
    const stepped = Array.from({ length }, (_, index) => (sums[index] ?? 0) * decay + (addends[index] ?? 0));
    this.statements.putSums.run(userId, model, JSON.stringify(stepped));
  }

  private trim(userId: string): void {
    const { shadowMaxEntries, maxDecisions } = this.limits;
    const sizes = this.statements.sizes.get(userId);
    const decisionsTooMany = Number(sizes?.decisions ?? 0) - maxDecisions;
    const shadowTooMany = Number(sizes?.shadow ?? 0) - shadowMaxEntries;
    if (decisionsTooMany > 0) this.statements.removeOldestDecisions.run(userId, decisionsTooMany);
    const surplus = [
      ...this.statements.expired.all(Date.now(), PURGE_PORTION),
      ...(shadowTooMany > 0 ? this.statements.firstToExpire.all(userId, shadowTooMany) : []),
    ];
    if (surplus.length === 0) return;
    const generations = this.embeddingSpaces.read();
    for (const { seq } of surplus) this.remove(Number(seq), generations);
  }

  private pending({ number }: Generation, limit: number): PendingReembedding[] {
    return this.statements.pending.all(number, Date.now(), limit).map((row) => ({
      userId: String(row.user_id),
      id: String(row.id),
      tier: tierOf(row.expires_at_ms),
      text: String(row.text),
    }));
  }

  private putNext(item: PendingReembedding & { readonly vector: Float32Array }, next: Generation): void {
    const found = locatedOf(this.statements.locatePending.get(item.userId, item.id, item.text));
    if (!found) return;
    next.vectors.put(found.seq, item.userId, found.tier, item.vector);
    this.statements.setGeneration.run(next.number, found.seq);
  }

  private async read<T>(work: () => T): Promise<T> {
    return reachingSqlite(() => this.database.snapshot(work));
  }

  /** Resolves when it is on the disk: what was remembered, or forgotten, stays so after a power loss. */
  private async write<T>(work: () => T): Promise<T> {
    return reachingSqlite(async () => {
      const result = await this.database.transaction(work);
      await this.database.sync();
      return result;
    });
  }

  /**
   * Resolves before it is on the disk. That is enough for what can be done again: a message is acknowledged later in the
   * same file, whose log is read back in order and only as far as it is whole. A power loss that takes the judgement takes
   * the acknowledgement with it, and the message is given again.
   */
  private async commit<T>(work: () => T): Promise<T> {
    return reachingSqlite(() => this.database.transaction(work));
  }
}

type Row = Record<string, unknown>;

interface FoundRow extends SimilarRow {
  readonly tier: MemoryTier;
  readonly row: Row | undefined;
}

const storedSums = z.array(z.number());

interface Located {
  readonly seq: number;
  readonly tier: MemoryTier;
  readonly hasExpired: boolean;
}

function locatedOf(row: Record<string, unknown> | undefined): Located | undefined {
  if (!row) return undefined;
  const tier = tierOf(row.expires_at_ms);
  return { seq: Number(row.seq), tier, hasExpired: tier === 'shadow' && Number(row.expires_at_ms) <= Date.now() };
}

const tierOf = (expiresAtMs: unknown): MemoryTier => (expiresAtMs === null ? 'memory' : 'shadow');
