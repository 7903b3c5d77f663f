import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { MemoryWorkerModule } from '../memory-worker/index.js';
import { StreamModule } from '../stream/index.js';
import { VorpalModule } from '../vorpal/index.js';
import { HealthController } from './health.controller.js';

@Module({
  imports: [TerminusModule, StreamModule, VorpalModule, MemoryWorkerModule],
  controllers: [HealthController],
})
export class HealthModule {}
