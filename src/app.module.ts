import { type DynamicModule, Module } from '@nestjs/common';
import { ChatModule } from './chat/index.js';
import { ConfigModule, readSettings } from './config/index.js';
import { HealthModule } from './health/index.js';
import { BrainHttpModule } from './http/index.js';
import { LifecycleModule } from './infra/lifecycle/index.js';
import { BrainStorageModule } from './infra/storage/index.js';
import { MemoryApiModule } from './memory/index.js';
import { MemoryWorkerModule } from './memory-worker/index.js';
import { MetricsModule } from './metrics/index.js';
import { ObservabilityModule } from './observability/index.js';
import { PerplexityModule } from './perplexity/index.js';
import { DeadLettersApiModule, AbandonedSpoolsModule } from './stream/index.js';

@Module({})
export class AppModule {
  /** @throws SettingsError if `environment` does not describe a brain that can start */
  static forRoot(environment: NodeJS.ProcessEnv): DynamicModule {
    const { role } = readSettings(environment).server;
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot(environment),
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
