import { Injectable } from '@nestjs/common';
import { newId } from '../shared/index.js';
import { VorpalRequestError } from '../vorpal/index.js';
import { Embedder, QUESTION_WINDOWS } from './embedder.js';
import { ImportReport, type ImportResult, type LineOutcome } from './import-report.js';
import type { Decision, FoundMemory, Memory } from './memory.js';
import { MemoryNotFoundError, MemoryVectorError } from './memory.errors.js';
import { type ListOptions, MemoryStore, type SearchOptions } from './memory-store.port.js';

/** What somebody wants remembered, whatever its surprise. */
export interface MemoryDraft {
  readonly text: string;
  readonly sessionId?: string | null;
  readonly role?: Memory['role'];
  readonly createdAtMs?: number;
  readonly metadata?: Memory['metadata'];
}

/** A line of an import: the memory it holds, or why it holds none. */
export type ImportLine =
  { readonly line: number; readonly memory: Memory } | { readonly line: number; readonly problem: string };

/** For whom something is kept, and the mark that the user had when it began. */
interface KeepTarget extends CallOptions {
  readonly userId: string;
  readonly forgetMark: string;
}

interface CallOptions {
  readonly signal?: AbortSignal;
}

// One page of an export, and one step of an import: a request to the embedder and one to the store each.
const PAGE = 64;

/** Memories of a user for the user: insert, look up, search, delete, take along. */
@Injectable()
export class MemoryService {
  constructor(
    private readonly store: MemoryStore,
    private readonly embedder: Embedder,
  ) {}

  /** Keeps all of them, or none. @throws MemoryStoreUnavailableError, the embedder's errors */
  async add(userId: string, drafts: readonly MemoryDraft[], { signal }: CallOptions = {}): Promise<Memory[]> {
    const memories = drafts.map((draft) => newMemory(userId, draft));
    await this.keep(memories, { userId, forgetMark: await this.store.forgetMark(userId), signal });
    return memories;
  }

  /** @throws MemoryNotFoundError for an id that this user does not have, whoever else has it */
  async get(userId: string, id: string): Promise<Memory> {
    const memory = await this.store.get(userId, id);
    if (!memory) throw new MemoryNotFoundError();
    return memory;
  }

  /** Newest first. */
  list(userId: string, options: ListOptions): Promise<Memory[]> {
    return this.store.list(userId, options);
  }

  /** Most similar first. */
  async search(
    userId: string,
    query: string,
    options: SearchOptions,
    { signal }: CallOptions = {},
  ): Promise<FoundMemory[]> {
    const [vector] = await this.embedder.embed([query], { maxWindows: QUESTION_WINDOWS, signal });
    return vector ? this.store.search(userId, vector, options) : [];
  }

  /** @throws MemoryNotFoundError */
  async delete(userId: string, id: string): Promise<void> {
    if (!(await this.store.delete(userId, id))) throw new MemoryNotFoundError();
  }

  /** Newest first. */
  decisions(userId: string, limit: number): Promise<Decision[]> {
    return this.store.decisions(userId, limit);
  }

  /** All memories of a user, newest first, a page at a time. */
  async *export(userId: string): AsyncGenerator<Memory, void> {
    let page = await this.store.list(userId, { limit: PAGE });
    while (page.length > 0) {
      yield* page;
      const after = page.at(-1)?.id;
      page = after === undefined ? [] : await this.store.list(userId, { limit: PAGE, after });
    }
  }

  /**
   * Keeps memories as they come, under the ids they have. A line that cannot be kept is reported and stops none of the
   * others; after any failure the whole may be sent again.
   * @throws what `lines` throws, MemoryStoreUnavailableError, the embedder's errors that no text is to blame for
   */
  async import(userId: string, lines: AsyncIterable<ImportLine>, { signal }: CallOptions = {}): Promise<ImportResult> {
    const target = { userId, forgetMark: await this.store.forgetMark(userId), signal };
    const report = new ImportReport();
    let page: ImportLine[] = [];
    for await (const line of lines) {
      page.push(line);
      if (page.length < PAGE) continue;
      await this.importPage(page, report, target);
      page = [];
    }
    await this.importPage(page, report, target);
    return report.result;
  }

  private async importPage(page: readonly ImportLine[], report: ImportReport, target: KeepTarget): Promise<void> {
    const { userId } = target;
    const memories = page.flatMap((line) => ('memory' in line ? [{ ...line.memory, userId }] : []));
    const outcomes = await this.keepEach(memories, target);
    for (const line of page) {
      const outcome = 'memory' in line ? outcomes.shift() : ({ status: 'failed', problem: line.problem } as const);
      if (outcome) report.add(line.line, outcome);
    }
  }

  /** Together, or, where one of the texts cannot be embedded, one by one. */
  private async keepEach(memories: readonly Memory[], target: KeepTarget): Promise<LineOutcome[]> {
    try {
      const isNew = await this.keep(memories, target);
      return isNew.map((one) => ({ status: one ? 'imported' : 'known' }));
    } catch (error) {
      if (!(error instanceof VorpalRequestError || error instanceof MemoryVectorError)) throw error;
      if (memories.length === 1) return [{ status: 'failed', problem: error.message }];
      const outcomes: LineOutcome[] = [];
      for (const memory of memories) outcomes.push(...(await this.keepEach([memory], target)));
      return outcomes;
    }
  }

  /** Keeps nothing where the user was forgotten since the mark was read. */
  private async keep(memories: readonly Memory[], { userId, forgetMark, signal }: KeepTarget): Promise<boolean[]> {
    if (memories.length === 0) return [];
    const vectors = await this.embedder.embed(
      memories.map(({ text }) => text),
      { signal },
    );
    return this.store.put(
      userId,
      memories.flatMap((memory, index) => {
        const vector = vectors[index];
        return vector ? [{ memory, vector }] : [];
      }),
      forgetMark,
    );
  }
}

/** A memory that nobody judged. */
export function newMemory(userId: string, draft: MemoryDraft & { readonly id?: string }): Memory {
  const createdAtMs = draft.createdAtMs ?? Date.now();
  return {
    id: draft.id ?? newId(),
    text: draft.text,
    userId,
    sessionId: draft.sessionId ?? null,
    role: draft.role ?? 'user',
    createdAtMs,
    perplexity: null,
    avgLogprob: null,
    novelty: null,
    surprise: null,
    model: null,
    source: 'manual',
    metadata: draft.metadata ?? {},
    count: 1,
    lastSeenAtMs: createdAtMs,
  };
}
