import { Module } from '@nestjs/common';
import { MemoryModule } from '../memory/index.js';
import { MemoryWorkerModule } from '../memory-worker/index.js';
import { SessionsModule } from '../sessions/index.js';
import { StreamModule } from '../stream/index.js';
import { BrainMetrics } from './brain-metrics.js';
import { MetricsController } from './metrics.controller.js';

@Module({
  imports: [StreamModule, SessionsModule, MemoryModule, MemoryWorkerModule],
  controllers: [MetricsController],
  providers: [BrainMetrics],
})
export class MetricsModule {}
