import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { MemoryModule } from '../memory/index.js';
import { StreamModule } from '../stream/index.js';
import { VorpalModule } from '../vorpal/index.js';
import { EntryProcessor } from './entry-processor.js';
import { MemoryWorkerController } from './memory-worker.controller.js';
import { MemoryWorkerHealth } from './memory-worker.health.js';
import { MemoryWorker } from './memory-worker.service.js';
import { WorkerStatus } from './worker-status.js';

@Module({
  imports: [StreamModule, MemoryModule, VorpalModule, TerminusModule],
  controllers: [MemoryWorkerController],
  providers: [MemoryWorker, EntryProcessor, WorkerStatus, MemoryWorkerHealth],
  exports: [MemoryWorkerHealth, WorkerStatus],
})
export class MemoryWorkerModule {}
