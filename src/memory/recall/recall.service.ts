import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ShutdownDeadline } from '../../infra/lifecycle/index.js';
import { OutageLog } from '../../observability/index.js';
import { describeError, withTimeLimit } from '../../shared/index.js';
import { Embedder, QUESTION_WINDOWS } from '../embedding/embedder.js';
import type { FoundMemory, Memory } from '../memory.js';
import { MemoryStore } from '../store/memory-store.port.js';
import { asksForQuestions } from '../remember/questions.js';
import { rankedCandidates } from '../search/ranked-search.js';
import { type RecalledMemory, selectMemories } from './recall-selection.js';
import { recallSettings, type RecallSettings } from '../recall.settings.js';

// The share of the time for recall. The rest is for the store, which searches by words if the embedding came too late.
const EMBEDDING_SHARE = 0.75;
// A fact that changed so often is rare, and each step asks the store once more.
const MAX_CHAIN_STEPS = 16;
// Notes are written behind the answers; without a bound a store that hangs would fill the memory with them.
const MAX_NOTES_UNDER_WAY = 100;
const NOTE_TIMEOUT_MS = 10_000;

interface RecallOptions {
  /** Texts that are in the prompt anyway; waited for without a limit of its own. */
  readonly said?: Promise<readonly string[]>;
  readonly caller?: AbortSignal;
}

interface Found {
  /** Whether it was looked for by meaning where the message has one for the embedder. */
  readonly isWhole: boolean;
  /** Best first. */
  readonly ranked: readonly FoundMemory[];
  /** The successors of superseded memories, by the ids of these. */
  readonly currentOf: ReadonlyMap<string, Memory>;
}

/** Finds the memories of a user that matter for a new message. */
@Injectable()
export class RecallService implements OnApplicationShutdown {
  private readonly logger = new Logger('Recall');
  private readonly notes = new Set<Promise<void>>();
  private readonly failures = new OutageLog(this.logger, {
    begins: 'Chats are answered without memories',
    ends: 'Memories are recalled again',
  });
  private readonly embedding = new OutageLog(this.logger, {
    begins: 'Memories are recalled by their words alone',
    ends: 'Memories are recalled by meaning and words again',
  });
  private readonly noting = new OutageLog(this.logger, {
    begins: 'It is not noted which memories were recalled',
    ends: 'It is noted again which memories were recalled',
  });

  constructor(
    private readonly store: MemoryStore,
    private readonly embedder: Embedder,
    @Inject(recallSettings.KEY) private readonly settings: RecallSettings,
    private readonly deadline: ShutdownDeadline,
  ) {}

  /**
   * The best few memories for a message, best first, within the token budget of recall, each with its successor. If the
   * embedder fails or is too slow, the search goes by words alone; since that may miss memories, finding nothing gives
   * `null` then. Also `null` if recall fails or takes too long. Never throws.
   */
  async recall(
    userId: string,
    message: string,
    { said, caller }: RecallOptions = {},
  ): Promise<RecalledMemory[] | null> {
    const { limit, timeoutMs } = this.settings;
    if (limit === 0) return [];
    try {
      const { isWhole, ranked, currentOf } = await withTimeLimit(
        timeoutMs,
        (signal) => this.find(userId, message, signal),
        caller,
      );
      this.failures.succeeded();
      if (!isWhole && ranked.length === 0) return null;
      return selectMemories(ranked, currentOf, [message, ...((await said) ?? [])], this.settings);
    } catch (error) {
      if (!caller?.aborted) this.failures.failed(describeError(error));
      return null;
    }
  }

  /** Stores, after the answer, that memories were in its prompt. Skipped if too many such writes are pending. */
  noteStood(userId: string, ids: readonly string[]): void {
    if (ids.length === 0 || this.notes.size >= MAX_NOTES_UNDER_WAY) return;
    const done = this.note(userId, ids).finally(() => this.notes.delete(done));
    this.notes.add(done);
  }

  /** Waits for the pending writes. The store closes later, since its module is imported by this one's. */
  async onApplicationShutdown(): Promise<void> {
    try {
      await withTimeLimit(this.deadline.remainingMs(), () => Promise.all(this.notes));
    } catch (error) {
      this.logger.warn(`${this.notes.size} recall count(s) were not stored: ${describeError(error)}`);
    }
  }

  private async find(userId: string, message: string, signal: AbortSignal): Promise<Found> {
    const embedded = await this.embed(message, signal);
    const vector = embedded?.vector;
    const wantsQuestions = asksForQuestions(message);
    const ranked = await rankedCandidates({ store: this.store, embedder: this.embedder }, userId, {
      query: message,
      ...(vector && { vector }),
      mode: vector ? 'hybrid' : 'lexical',
      limit: this.settings.limit,
      filter: { includeQuestions: wantsQuestions },
    });
    return {
      isWhole: embedded !== undefined,
      ranked: wantsQuestions ? questionsFirst(ranked) : ranked,
      currentOf: await this.currentOf(userId, ranked),
    };
  }

  /** `undefined` if it was not done in time; without a vector if none tells the meaning of the message. */
  private async embed(message: string, signal: AbortSignal): Promise<{ readonly vector?: Float32Array } | undefined> {
    try {
      const [isReadable, [vector]] = await withTimeLimit(
        this.settings.timeoutMs * EMBEDDING_SHARE,
        (limited) =>
          Promise.all([
            this.embedder.isReadable(message, limited),
            this.embedder.embed([message], { role: 'query', maxWindows: QUESTION_WINDOWS, signal: limited }),
          ]),
        signal,
      );
      this.embedding.succeeded();
      return { ...(isReadable && vector && { vector }) };
    } catch (error) {
      if (!signal.aborted) this.embedding.failed(describeError(error));
      return undefined;
    }
  }

  /** Follows what was superseded to what holds now, by the ids of those among `ranked` that no longer hold. */
  private async currentOf(userId: string, ranked: readonly FoundMemory[]): Promise<Map<string, Memory>> {
    const known = new Map(ranked.map(({ memory }) => [memory.id, memory]));
    const current = new Map<string, Memory>();
    let open = ranked.flatMap(({ memory }) => (memory.supersededBy ? [{ from: memory.id, at: memory }] : []));
    for (let step = 0; step < MAX_CHAIN_STEPS && open.length > 0; step++) {
      const next = [...new Set(open.flatMap(({ at }) => at.supersededBy?.id ?? []))].filter((id) => !known.has(id));
      const fetched = await Promise.all(next.map((id) => this.store.get(userId, id)));
      for (const memory of fetched) if (memory) known.set(memory.id, memory);
      open = open.flatMap(({ from, at }) => {
        const successor = at.supersededBy && known.get(at.supersededBy.id);
        // Deleted since: its predecessor is the last one that is known.
        if (!successor || successor.id === from) return [];
        current.set(from, successor);
        return [{ from, at: successor }];
      });
    }
    return current;
  }

  private async note(userId: string, ids: readonly string[]): Promise<void> {
    try {
      await withTimeLimit(NOTE_TIMEOUT_MS, () => this.store.noteRecalled(userId, ids, Date.now()));
      this.noting.succeeded();
    } catch (error) {
      this.noting.failed(describeError(error));
    }
  }
}

/** Nothing in "What did I ask?" is like the questions that it is about. */
function questionsFirst(ranked: readonly FoundMemory[]): FoundMemory[] {
  const isQuestion = ({ memory }: FoundMemory): boolean => memory.isQuestion;
  return [...ranked.filter(isQuestion), ...ranked.filter((found) => !isQuestion(found))];
}
