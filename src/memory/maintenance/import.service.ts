import { Inject, Injectable } from '@nestjs/common';
import { VorpalRequestError } from '../../vorpal/index.js';
import { Embedder } from '../embedding/embedder.js';
import { ImportReport, type ImportResult, type LineOutcome } from './import-report.js';
import { keepMemories, type KeepTarget } from '../remember/keep-memories.js';
import type { ImportedMemory } from './imported-memory.js';
import type { Memory } from '../memory.js';
import { MemoryVectorError } from '../memory.errors.js';
import { MemoryStore, type PutOutcome } from '../store/memory-store.port.js';
import { hasRoomToPin } from '../store/pinned-limit.js';
import { bytesOf } from '../store/retention.js';
import { textDigest } from '../remember/text-digest.js';
import { memorySettings, type MemorySettings } from '../memory.settings.js';

/** A line of an import: the memory it holds, or why it holds none. */
export type ImportLine = { readonly line: number } & (ImportedMemory | { readonly problem: string });

// One request to the embedder and one to the store each.
const PAGE = 64;
// Ids of lines that later ones have to do with; an import may be endless.
const MAX_REMEMBERED_IDS = 100_000;

interface Import extends KeepTarget {
  readonly report: ImportReport;
  /** The id of a line → that of the memory that stands for it. */
  readonly standsFor: Map<string, string>;
  /** The ids of lines that say what supersedes what: their word counts, and with one another they are not compared. */
  readonly told: Set<string>;
  /** Those of the page at hand. */
  readonly telling: Set<string>;
  /** Whether the user has memories of which no such line tells. */
  hasOthers: boolean;
}

/** Takes memories of a user in, as an export or another program wrote them. */
@Injectable()
export class ImportService {
  constructor(
    private readonly store: MemoryStore,
    private readonly embedder: Embedder,
    @Inject(memorySettings.KEY) private readonly settings: MemorySettings,
  ) {}

  /**
   * Keeps memories as they come, under the ids they have. A line that cannot be kept is reported and stops none of the
   * others; after any failure the whole may be sent again.
   * @throws what `lines` throws, MemoryStoreUnavailableError, the embedder's errors that no text is to blame for
   */
  async import(
    userId: string,
    lines: AsyncIterable<ImportLine>,
    { signal }: { readonly signal?: AbortSignal } = {},
  ): Promise<ImportResult> {
    const [told, telling] = [new Set<string>(), new Set<string>()];
    const { memories } = await this.store.usage(userId);
    const run: Import = {
      userId,
      forgetMark: await this.store.forgetMark(userId),
      signal,
      isRepeatable: true,
      report: new ImportReport(),
      standsFor: new Map(),
      ...{ told, telling, hasOthers: memories > 0 },
      isCompared: ({ id }) => !telling.has(id) || (run.hasOthers && told.size < MAX_REMEMBERED_IDS),
      mayBeLinked: ({ id }, other) => !(telling.has(id) && told.has(other.id)),
    };
    let page: ImportLine[] = [];
    for await (const line of lines) {
      page.push(line);
      if (page.length < PAGE) continue;
      await this.importPage(page, run);
      page = [];
    }
    await this.importPage(page, run);
    return run.report.result;
  }

  private async importPage(page: readonly ImportLine[], run: Import): Promise<void> {
    const given = page.flatMap((line) => ('memory' in line ? [{ ...line.memory, userId: run.userId }] : []));
    noteTold(page, run);
    const memories = await this.withinPins(await this.withLinks(given, run), run.userId);
    const outcomes = await this.keepEach(memories, run);
    for (const line of page) {
      const outcome = 'memory' in line ? outcomes.shift() : ({ status: 'failed', problem: line.problem } as const);
      if (!outcome) continue;
      run.report.add(line.line, outcome);
    }
  }

  /** Together, or, where one of the texts cannot be embedded, one by one. */
  private async keepEach(memories: readonly Memory[], run: Import): Promise<LineOutcome[]> {
    try {
      const outcomes = await keepMemories({ store: this.store, embedder: this.embedder }, memories, run);
      for (const [index, { id }] of outcomes.entries()) {
        const memory = memories[index];
        if (memory && memory.id !== id) remember(run, memory.id, id);
      }
      return outcomes.map(toLineOutcome);
    } catch (error) {
      if (!(error instanceof VorpalRequestError || error instanceof MemoryVectorError)) throw error;
      if (memories.length === 1) return [{ status: 'failed', problem: error.message }];
      const outcomes: LineOutcome[] = [];
      for (const memory of memories) outcomes.push(...(await this.keepEach([memory], run)));
      return outcomes;
    }
  }

  /** Links name what stands for a line whose text the user has under another id. */
  private async withLinks(memories: readonly Memory[], run: Import): Promise<Memory[]> {
    const linked = new Set(
      memories.flatMap(({ supersededBy, supersedes }) => [...supersedes, ...(supersededBy ? [supersededBy.id] : [])]),
    );
    for (const memory of memories) {
      if (!linked.has(memory.id)) continue;
      const known = await this.store.findText(run.userId, textDigest(memory));
      if (known !== undefined && known !== memory.id) remember(run, memory.id, known);
    }
    if (run.standsFor.size === 0) return [...memories];
    const idOf = (id: string): string => run.standsFor.get(id) ?? id;
    return memories.map((memory) => {
      const { id, supersededBy, supersedes } = memory;
      const link = supersededBy && { ...supersededBy, id: idOf(supersededBy.id) };
      return {
        ...memory,
        supersededBy: link?.id === id ? null : link,
        supersedes: [...new Set(supersedes.map(idOf))].filter((one) => one !== id),
      };
    });
  }

  /** What is pinned beyond the room for pins is kept without. */
  private async withinPins(memories: readonly Memory[], userId: string): Promise<readonly Memory[]> {
    if (!memories.some(({ isPinned }) => isPinned)) return memories;
    let { pinned, pinnedBytes } = await this.store.usage(userId);
    return memories.map((memory) => {
      if (!memory.isPinned) return memory;
      const bytes = bytesOf(memory);
      if (!hasRoomToPin({ pinned, pinnedBytes }, bytes, this.settings)) return { ...memory, isPinned: false };
      pinned += 1;
      pinnedBytes += bytes;
      return memory;
    });
  }
}

function toLineOutcome({ status, id }: PutOutcome): LineOutcome {
  switch (status) {
    case 'new':
      return { status: 'imported' };
    case 'known':
      return { status };
    case 'duplicate':
      return { status, id };
    case 'forgotten':
      return { status: 'failed', problem: 'everything of the user was forgotten meanwhile' };
  }
}

function noteTold(page: readonly ImportLine[], run: Import): void {
  run.telling.clear();
  for (const line of page) {
    if (!('memory' in line)) continue;
    if (!line.tellsLinks) run.hasOthers = true;
    else {
      run.telling.add(line.memory.id);
      if (run.told.size < MAX_REMEMBERED_IDS) run.told.add(line.memory.id);
    }
  }
}

function remember({ standsFor }: Import, id: string, known: string): void {
  if (standsFor.size < MAX_REMEMBERED_IDS) standsFor.set(id, known);
}
