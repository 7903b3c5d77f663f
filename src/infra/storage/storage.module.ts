import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { redisSettings, type RedisSettings } from '../redis/index.js';
import { storageSettings, type StorageSettings } from './storage.settings.js';
import { Storage } from './storage.js';

/**
 * The store for a command, which may run beside the brain.
 *
 * It is closed last of all. Nest calls each hook of the shutdown module by module, a module before those it imports
 * (by the longest path of imports), global modules last, and inside a module a provider before those it depends on, and
 * the module's own class at its end. `onApplicationShutdown` is the last hook; until then the HTTP server answers and
 * captures, and what uses the store finishes in that hook, too.
 */
@Global()
@Module({
  providers: [
    {
      provide: Storage,
      inject: [storageSettings.KEY, redisSettings.KEY],
      useFactory: (settings: StorageSettings, redis: RedisSettings) => Storage.open(settings, redis),
    },
  ],
  exports: [Storage],
})
export class StorageModule implements OnApplicationShutdown {
  constructor(private readonly storage: Storage) {}

  async onApplicationShutdown(): Promise<void> {
    await this.storage.close();
  }
}

/** The store for the brain itself, which is alone on its data folder. */
@Global()
@Module({
  providers: [
    {
      provide: Storage,
      inject: [storageSettings.KEY, redisSettings.KEY],
      useFactory: (settings: StorageSettings, redis: RedisSettings) => Storage.openForBrain(settings, redis),
    },
  ],
  exports: [Storage],
})
export class BrainStorageModule extends StorageModule {}
