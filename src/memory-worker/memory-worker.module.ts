import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Settings } from '../config/index.js';
import { MemoryModule } from '../memory/index.js';
import { InputStream, StreamModule } from '../stream/index.js';
import { VorpalModule } from '../vorpal/index.js';
import { BatchGate } from './batch-gate.js';
import { ControlRequest } from './control-request.js';
import { EntriesInHand } from './entries-in-hand.js';
import { EntryProcessor } from './entry-processor.js';
import { MemoryWorkerController } from './memory-worker.controller.js';
import { MemoryWorkerHealth } from './memory-worker.health.js';
import { MemoryWorker } from './memory-worker.service.js';
import { SuspectLane } from './suspect-lane.js';
import { longestWaitMs, UserOrder } from './user-order.js';
import { WorkerStatus } from './worker-status.js';

@Module({
  imports: [StreamModule, MemoryModule, VorpalModule, TerminusModule],
  controllers: [MemoryWorkerController],
  providers: [
    MemoryWorker,
    EntryProcessor,
    {
      provide: BatchGate,
      inject: [Settings],
      useFactory: ({ worker }: Settings) => new BatchGate(worker.maxBatches),
    },
    EntriesInHand,
    {
      provide: UserOrder,
      inject: [InputStream, EntriesInHand, Settings],
      useFactory: (stream: InputStream, inHand: EntriesInHand, { stream: { claimIdleMs } }: Settings) =>
        new UserOrder(stream, inHand, longestWaitMs(claimIdleMs)),
    },
    ControlRequest,
    SuspectLane,
    WorkerStatus,
    MemoryWorkerHealth,
  ],
  exports: [MemoryWorkerHealth, WorkerStatus],
})
export class MemoryWorkerModule {}
