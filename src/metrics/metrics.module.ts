import { Module } from '@nestjs/common';
import { MemoryWorkerModule } from '../memory-worker/index.js';
import { StreamModule } from '../stream/index.js';
import { BrainMetrics } from './brain-metrics.js';
import { MetricsController } from './metrics.controller.js';

@Module({ imports: [StreamModule, MemoryWorkerModule], controllers: [MetricsController], providers: [BrainMetrics] })
export class MetricsModule {}
