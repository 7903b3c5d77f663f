import { type DynamicModule, Module } from '@nestjs/common';
import { ChatModule } from './chat/index.js';
import { ConfigModule } from './config/index.js';
import { HealthModule } from './health/index.js';
import { BrainHttpModule } from './http/index.js';
import { LifecycleModule } from './infra/lifecycle/index.js';
import { StorageModule } from './infra/storage/index.js';
import { MemoryModule } from './memory/index.js';
import { MemoryWorkerModule } from './memory-worker/index.js';
import { PerplexityModule } from './perplexity/index.js';

@Module({})
export class AppModule {
  /** @throws SettingsError if `environment` does not describe a brain that can start */
  static forRoot(environment: NodeJS.ProcessEnv): DynamicModule {
    return {
      module: AppModule,
      imports: [
        ConfigModule.forRoot(environment),
        LifecycleModule,
        StorageModule,
        BrainHttpModule,
        ChatModule,
        MemoryModule,
        PerplexityModule,
        MemoryWorkerModule,
        HealthModule,
      ],
    };
  }
}
