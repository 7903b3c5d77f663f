import { Injectable } from '@nestjs/common';
import { type HealthIndicatorResult, HealthIndicatorService } from '@nestjs/terminus';
import { WorkerStatus } from './worker-status.js';

@Injectable()
export class MemoryWorkerHealth {
  constructor(
    private readonly indicators: HealthIndicatorService,
    private readonly workerStatus: WorkerStatus,
  ) {}

  /** A waiting worker is degraded, not down: chat works without it and nothing is lost. */
  check(): HealthIndicatorResult {
    const { state, waitingFor, processed, failed } = this.workerStatus;
    const session = this.indicators.check('memory_worker');
    if (state === 'waiting') return session.degraded({ state, reason: waitingFor, processed, failed });
    if (state === 'stopped') return session.down({ state, processed, failed });
    return session.up({ state, processed, failed });
  }
}
