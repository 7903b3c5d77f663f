import { Injectable } from '@nestjs/common';
import { indexWords } from '../remember/indexed-memory.js';
import { ReindexingStore } from '../store/reindexing-store.port.js';

export interface ReindexProgress {
  readonly done: number;
  readonly total: number;
}

export interface ReindexOptions {
  readonly signal: AbortSignal;
  /** Called after each portion with how far all is, and how many memories the portion had. */
  readonly onProgress: (progress: ReindexProgress, steps: number) => void;
}

// What is lost by breaking off is at most one of them.
const PORTION = 256;

/** Indexes the words of memories that an earlier version of the program left, or that are not indexed as today. */
@Injectable()
export class ReindexService {
  constructor(private readonly store: ReindexingStore) {}

  /**
   * Begins, or goes on where an earlier run was broken off; brains may go on meanwhile. Returns how many were indexed.
   * @throws MemoryStoreUnavailableError, the signal's reason
   */
  async run({ signal, onProgress }: ReindexOptions): Promise<number> {
    let indexed = 0;
    for (;;) {
      signal.throwIfAborted();
      const portion = await this.store.pending(PORTION);
      if (portion.length === 0) return indexed;
      await this.store.put(portion.map(indexWords));
      indexed += portion.length;
      onProgress(await this.store.progress(), portion.length);
    }
  }
}
