import { Inject, Injectable } from '@nestjs/common';
import { memoryWorkerSettings, type MemoryWorkerSettings } from './memory-worker.settings.js';
import type { EntryOutcome } from './entry-outcome.js';

/** `waiting`: the stream, the store or Vorpal is unavailable, and the worker is between two attempts. */
export type WorkerState = 'off' | 'running' | 'waiting' | 'stopped';

/** One processed entry with its numbers; never its text. */
export interface ScoredEntry {
  readonly id: string;
  readonly user_id: string;
  readonly session_id: string;
  readonly perplexity: number | null;
  readonly avg_logprob: number | null;
  readonly token_count: number;
  readonly model: string;
  /** Why there is no perplexity. */
  readonly reason?: string;
  readonly novelty: number;
  readonly surprise: number;
  readonly kept: boolean;
  readonly outcome: EntryOutcome;
  /** The memory with the same text, which was counted once more, or the one that no longer holds. */
  readonly related_memory_id: string | null;
  readonly received_at: string;
  readonly scored_at: string;
}

/** What the worker of this process has done since it started; in memory and bounded. */
@Injectable()
export class WorkerStatus {
  state: WorkerState = 'off';
  /** Why the worker waits. */
  waitingFor: string | undefined;
  private processedCount = 0;
  private failedCount = 0;
  private readonly history: ScoredEntry[] = [];

  constructor(@Inject(memoryWorkerSettings.KEY) private readonly settings: MemoryWorkerSettings) {}

  get processed(): number {
    return this.processedCount;
  }

  /** Failed attempts that counted against their entry. */
  get failed(): number {
    return this.failedCount;
  }

  /** The last entries, newest first. */
  get recent(): readonly ScoredEntry[] {
    return this.history;
  }

  recordScored(entry: ScoredEntry): void {
    this.processedCount += 1;
    this.history.unshift(entry);
    this.history.length = Math.min(this.history.length, this.settings.historySize);
  }

  recordFailure(): void {
    this.failedCount += 1;
  }
}
