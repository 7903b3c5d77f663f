import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { MemoryModule } from '../memory/index.js';
import { MemoryWorkerModule } from '../memory-worker/index.js';
import { StreamModule } from '../stream/index.js';
import { VorpalModule } from '../vorpal/index.js';
import { HealthController } from './health.controller.js';

@Module({
  // Each part logs its own outages, once; Terminus would add an error line per probe.
  imports: [TerminusModule.forRoot({ logger: false }), StreamModule, VorpalModule, MemoryModule, MemoryWorkerModule],
  controllers: [HealthController],
})
export class HealthModule {}
