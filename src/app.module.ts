import { type DynamicModule, Module } from '@nestjs/common';
import { ChatModule } from './chat/index.js';
import { ConfigModule, type Settings } from './config/index.js';
import { HealthModule } from './health/index.js';
import { BrainHttpModule } from './http/index.js';
import { LifecycleModule, lifecycleSettings } from './infra/lifecycle/index.js';
import { BrainStorageModule } from './infra/storage/index.js';
import { MemoryApiModule } from './memory/index.js';
import { MemoryWorkerModule } from './memory-worker/index.js';
import { MetricsModule } from './metrics/index.js';
import { ObservabilityModule } from './observability/index.js';
import { PerplexityModule } from './perplexity/index.js';
import { DeadLettersApiModule, AbandonedSpoolsModule } from './stream/index.js';

@Module({})
export class AppModule {
  static forRoot(settings: Settings): DynamicModule {
    const { role } = settings.of(lifecycleSettings);
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot(settings),
        LifecycleModule,
        ObservabilityModule,
        BrainStorageModule,
        BrainHttpModule,
        ...(role === 'worker'
          ? [AbandonedSpoolsModule]
          : [ChatModule, PerplexityModule, MemoryApiModule, DeadLettersApiModule]),
        // Without a worker of its own it still tells how far the others are.
        MemoryWorkerModule,
        HealthModule,
        MetricsModule,
      ],
    };
  }
}
