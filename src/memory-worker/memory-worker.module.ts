import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { MemoryModule } from '../memory/index.js';
import { InputStream, StreamModule } from '../stream/index.js';
import { VorpalModule } from '../vorpal/index.js';
import { BatchAdmission } from './scheduling/batch-admission.js';
import { CanaryProbe } from './failures/canary-probe.js';
import { InFlightEntries } from './scheduling/in-flight-entries.js';
import { EntryProcessor } from './entry-processor.js';
import { MemoryWorkerController } from './memory-worker.controller.js';
import { MemoryWorkerHealth } from './memory-worker.health.js';
import { memoryWorkerSettings, type MemoryWorkerSettings } from './memory-worker.settings.js';
import { MemoryWorker } from './memory-worker.service.js';
import { Quarantine } from './failures/quarantine.js';
import { longestWaitMs, UserSequencer } from './scheduling/user-sequencer.js';
import { WorkerStatus } from './worker-status.js';

@Module({
  imports: [StreamModule, MemoryModule, VorpalModule, TerminusModule],
  controllers: [MemoryWorkerController],
  providers: [
    MemoryWorker,
    EntryProcessor,
    {
      provide: BatchAdmission,
      inject: [memoryWorkerSettings.KEY],
      useFactory: ({ maxBatches }: MemoryWorkerSettings) => new BatchAdmission(maxBatches),
    },
    InFlightEntries,
    {
      provide: UserSequencer,
      inject: [InputStream, InFlightEntries, memoryWorkerSettings.KEY],
      useFactory: (stream: InputStream, inFlight: InFlightEntries, { claimIdleMs }: MemoryWorkerSettings) =>
        new UserSequencer(stream, inFlight, longestWaitMs(claimIdleMs)),
    },
    CanaryProbe,
    Quarantine,
    WorkerStatus,
    MemoryWorkerHealth,
  ],
  exports: [MemoryWorkerHealth, WorkerStatus],
})
export class MemoryWorkerModule {}
