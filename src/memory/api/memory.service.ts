import { Inject, Injectable } from '@nestjs/common';
import { Embedder, QUESTION_WINDOWS } from '../embedding/embedder.js';
import { indexMemory } from '../remember/indexed-memory.js';
import { keepMemories } from '../remember/keep-memories.js';
import type { Decision, FoundMemory, Memory, SearchMode } from '../memory.js';
import { MemoryNotFoundError, TooManyPinsError } from '../memory.errors.js';
import { type ListOptions, type MemoryFilter, MemoryStore, type MemoryUsage } from '../store/memory-store.port.js';
import { type MemoryDraft, newMemory } from '../remember/new-memory.js';
import { hasRoomToPin } from '../store/pinned-limit.js';
import { rankedSearch } from '../search/ranked-search.js';
import { bytesOf } from '../store/retention.js';
import { textDigest } from '../remember/text-digest.js';
import { memorySettings, type MemorySettings } from '../memory.settings.js';

export interface SearchOptions {
  readonly mode: SearchMode;
  /** Most memories to return. */
  readonly limit: number;
  readonly filter?: MemoryFilter;
}

/** What somebody wants changed of a memory; what is not set stays. */
export interface MemoryEdit {
  readonly text?: string;
  readonly metadata?: Memory['metadata'];
  readonly isPinned?: boolean;
}

/** A memory that was to be kept, as it is now. */
export interface KeptMemory {
  readonly memory: Memory;
  /** `false`: others are worth more and took the room, or the user was forgotten meanwhile. */
  readonly isKept: boolean;
}

interface CallOptions {
  readonly signal?: AbortSignal;
}

const EXPORT_PAGE = 64;

/** Memories of a user for the user: insert, look up, search, change, delete, take along. */
@Injectable()
export class MemoryService {
  constructor(
    private readonly store: MemoryStore,
    private readonly embedder: Embedder,
    @Inject(memorySettings.KEY) private readonly settings: MemorySettings,
  ) {}

  /**
   * Keeps all drafts, or none. A text that the user has already is counted once more. Returns the memories with the
   * texts.
   * @throws MemoryStoreUnavailableError, the embedder's errors
   */
  async add(userId: string, drafts: readonly MemoryDraft[], { signal }: CallOptions = {}): Promise<KeptMemory[]> {
    const forgetMark = await this.store.forgetMark(userId);
    const memories = drafts.map((draft) => newMemory(userId, draft));
    const outcomes = await keepMemories({ store: this.store, embedder: this.embedder }, memories, {
      userId,
      forgetMark,
      signal,
    });
    return Promise.all(memories.map((memory, index) => this.asItIs(memory, outcomes[index]?.id ?? memory.id)));
  }

  /** @throws MemoryNotFoundError for an id that this user does not have, whoever else has it */
  async get(userId: string, id: string): Promise<Memory> {
    return found(await this.store.get(userId, id));
  }

  /** Newest first. */
  list(userId: string, options: ListOptions): Promise<Memory[]> {
    return this.store.list(userId, options);
  }

  /**
   * Best first. `lexical` needs no embedder.
   * @throws MemoryStoreUnavailableError, the embedder's errors
   */
  async search(
    userId: string,
    query: string,
    { mode, limit, filter }: SearchOptions,
    { signal }: CallOptions = {},
  ): Promise<FoundMemory[]> {
    const [vector] =
      mode === 'lexical'
        ? []
        : await this.embedder.embed([query], { role: 'query', maxWindows: QUESTION_WINDOWS, signal });
    const search = { query, mode, limit, filter, signal, ...(vector && { vector }) };
    return rankedSearch({ store: this.store, embedder: this.embedder }, userId, search);
  }

  /**
   * Changes metadata and pin in place. A new text makes a new memory, which supersedes the one under the old id.
   * @throws MemoryNotFoundError, TooManyPinsError, MemoryStoreUnavailableError, the embedder's errors
   */
  async edit(userId: string, id: string, edit: MemoryEdit, { signal }: CallOptions = {}): Promise<KeptMemory> {
    const before = await this.get(userId, id);
    const { text = before.text, metadata = before.metadata, isPinned = before.isPinned } = edit;
    if (isPinned) await this.assertRoomToPin(before, { ...before, text, metadata });
    const inPlace = {
      ...(edit.metadata && { metadata }),
      ...(edit.isPinned !== undefined && { isPinned }),
    };
    // What counts as the same text would supersede itself.
    if (textDigest({ ...before, text }) === textDigest(before)) {
      return { memory: found(await this.store.change(userId, id, inPlace)), isKept: true };
    }
    const { sessionId, role, context } = before;
    const edited = newMemory(userId, { text, sessionId, role, context, metadata, isPinned });
    const vectors = await this.embedder.embed([text], { signal });
    const [indexed] = vectors.map((vector) => indexMemory(edited, vector));
    const outcome = found(indexed && (await this.store.replace(userId, id, indexed)));
    if (outcome.status === 'duplicate') await this.store.change(userId, outcome.id, { ...inPlace, isPinned });
    // The pin goes with what holds now.
    if (before.isPinned) await this.store.change(userId, id, { isPinned: false });
    return this.asItIs(edited, outcome.id);
  }

  /** Takes back that a memory was superseded. @throws MemoryNotFoundError */
  async reinstate(userId: string, id: string): Promise<Memory> {
    return found(await this.store.reinstate(userId, id));
  }

  usage(userId: string): Promise<MemoryUsage> {
    return this.store.usage(userId);
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
    let page = await this.store.list(userId, { limit: EXPORT_PAGE });
    for (let last = page.at(-1); last !== undefined; last = page.at(-1)) {
      yield* page;
      const { createdAtMs, id } = last;
      page = await this.store.list(userId, { limit: EXPORT_PAGE, after: { createdAtMs, id } });
    }
  }

  private async asItIs(memory: Memory, id: string): Promise<KeptMemory> {
    const stored = await this.store.get(memory.userId, id);
    return { memory: stored ?? memory, isKept: stored !== undefined };
  }

  private async assertRoomToPin(before: Memory, after: Memory): Promise<void> {
    const isLarger = bytesOf(after) > bytesOf(before);
    if (before.isPinned && !isLarger) return;
    const { pinned, pinnedBytes } = await this.store.usage(before.userId);
    const others = before.isPinned
      ? { pinned: pinned - 1, pinnedBytes: pinnedBytes - bytesOf(before) }
      : { pinned, pinnedBytes };
    if (!hasRoomToPin(others, bytesOf(after), this.settings)) throw new TooManyPinsError();
  }
}

/** @throws MemoryNotFoundError */
function found<T>(value: T | undefined): T {
  if (value === undefined) throw new MemoryNotFoundError();
  return value;
}
