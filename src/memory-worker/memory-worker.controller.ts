import { Controller, Get } from '@nestjs/common';
import { CaptureService, InputStream, type StreamStatistics } from '../stream/index.js';
import { StreamUnavailableError } from '../stream/index.js';
import { VorpalClient } from '../vorpal/index.js';
import { BatchAdmission } from './scheduling/batch-admission.js';
import { Quarantine } from './failures/quarantine.js';
import { type ScoredEntry, type WorkerState, WorkerStatus } from './worker-status.js';

interface MemoryWorkerReport {
  readonly state: WorkerState;
  readonly waiting_for?: string;
  /** Of the whole group; `null` while the stream is unavailable. */
  readonly lag: number | null;
  readonly pending: number | null;
  readonly dead_letters: number | null;
  /** Of this process. */
  readonly processed: number;
  readonly failed: number;
  /** Entries in quarantine. */
  readonly set_aside: number;
  readonly in_flight_batches: number;
  /** Of those, the ones that only wait for earlier entries of their users. */
  readonly waiting_batches: number;
  /** Tokens that this process, `POST /perplexity` included, has scored at Vorpal at the moment. */
  readonly scoring_tokens_in_flight: number;
  /** Most of them while nobody chats; follows what Vorpal works off in a quarter of a second. */
  readonly scoring_token_limit: number;
  readonly captured: number;
  /** Waiting on the disk of this process for the stream. */
  readonly spooled: number;
  readonly capture_failures: number;
  readonly recent: readonly ScoredEntry[];
}

@Controller('memory-worker')
export class MemoryWorkerController {
  constructor(
    private readonly status: WorkerStatus,
    private readonly stream: InputStream,
    private readonly capture: CaptureService,
    private readonly admission: BatchAdmission,
    private readonly vorpal: VorpalClient,
    private readonly quarantine: Quarantine,
  ) {}

  @Get()
  async report(): Promise<MemoryWorkerReport> {
    const statistics = await this.statistics();
    const { tokensInFlight, tokenLimit } = this.vorpal.scoringLoad;
    return {
      state: this.status.state,
      ...(this.status.waitingFor !== undefined && { waiting_for: this.status.waitingFor }),
      lag: statistics?.lag ?? null,
      pending: statistics?.pending ?? null,
      dead_letters: statistics?.deadLetters ?? null,
      processed: this.status.processed,
      failed: this.status.failed,
      set_aside: this.quarantine.size,
      in_flight_batches: this.admission.inFlight,
      waiting_batches: this.admission.blocked,
      scoring_tokens_in_flight: tokensInFlight,
      scoring_token_limit: tokenLimit,
      captured: this.capture.captured,
      spooled: this.capture.spooled,
      capture_failures: this.capture.failed,
      recent: this.status.recent,
    };
  }

  private async statistics(): Promise<StreamStatistics | undefined> {
    try {
      return await this.stream.statistics();
    } catch (error) {
      if (error instanceof StreamUnavailableError) return undefined;
      throw error;
    }
  }
}
