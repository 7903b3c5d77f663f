import { Injectable } from '@nestjs/common';
import { CANARY_SENTENCE, sleep } from '../../shared/index.js';
import { Embedder, SPACES_VALID_MS } from '../embedding/embedder.js';
import type { EmbeddingSpace } from '../memory.js';
import { isSameSpace } from '../store/memory-limits.js';
import { MemoryStore } from '../store/memory-store.port.js';
import { ReembeddingStore } from '../store/reembedding-store.port.js';
import { EmbeddingModelChangedError, ReembeddingError } from '../memory.errors.js';

export interface ReembedProgress {
  readonly done: number;
  readonly total: number;
}

export interface ReembedOptions {
  readonly signal: AbortSignal;
  /** Also where the model is the one that the memories are of, for what it would make of them today. */
  readonly again?: boolean;
  /** Called after each portion with how far all is, and how many memories the portion had. */
  readonly onProgress: (progress: ReembedProgress, steps: number) => void;
}

export interface ReembedResult {
  readonly kind: 'unchanged' | 'moved';
  readonly space: EmbeddingSpace;
  readonly memories: number;
}

// One request to the embedder each; what is lost by breaking off is at most one of them.
const PORTION = 64;

/** Moves all memories to the embedding model that the embeddings server has now. */
@Injectable()
export class ReembedService {
  constructor(
    private readonly store: MemoryStore,
    private readonly reembedding: ReembeddingStore,
    private readonly embedder: Embedder,
  ) {}

  /**
   * Starts the move, or continues one that was interrupted. Until it ends, running brains refuse to add and to recall
   * memories (`MEMORY_REEMBEDDING`), and captured messages wait in the stream.
   * @throws MemoryStoreUnavailableError, the embedder's errors, the signal's reason
   */
  async run({ signal, onProgress, again = false }: ReembedOptions): Promise<ReembedResult> {
    const { space } = await this.embedder.embedForAnySpace([CANARY_SENTENCE], { signal });
    const { current, next } = await this.store.spaces();
    if (!current) {
      await this.store.claimSpace(space);
      return { kind: 'unchanged', space, memories: 0 };
    }
    if (!next && !again && isSameSpace(current, space)) return { kind: 'unchanged', space, memories: 0 };
    await this.reembedding.begin(space);
    // A brain that has not noticed yet could still write a memory that would then be passed over.
    await sleep(2 * SPACES_VALID_MS, signal);
    const memories = await this.moveAll(space, signal, onProgress);
    await this.reembedding.finish();
    return { kind: 'moved', space, memories };
  }

  private async moveAll(
    space: EmbeddingSpace,
    signal: AbortSignal,
    onProgress: ReembedOptions['onProgress'],
  ): Promise<number> {
    const { total, done: before } = await this.reembedding.progress();
    let moved = 0;
    for (;;) {
      signal.throwIfAborted();
      const portion = await this.reembedding.pending(PORTION);
      if (portion.length === 0) return moved;
      const embedded = await this.embedder.embedForAnySpace(
        portion.map(({ text }) => text),
        { signal },
      );
      // Another run with another model, or another server behind the same address, would mix its vectors with ours.
      const { next } = await this.store.spaces();
      if (!isSameSpace(embedded.space, space)) throw new EmbeddingModelChangedError(space, embedded.space);
      if (next && !isSameSpace(next, space)) throw new ReembeddingError(next);
      await this.reembedding.put(
        portion.flatMap((pending, index) => {
          const vector = embedded.vectors[index];
          return vector ? [{ ...pending, vector }] : [];
        }),
      );
      moved += portion.length;
      onProgress({ done: before + moved, total }, portion.length);
    }
  }
}
