import { Global, Module, type OnApplicationShutdown } from '@nestjs/common';
import { Settings } from '../../config/index.js';
import { Storage } from './storage.js';

/**
 * The store for a command, which may run beside the brain. Closed by `onApplicationShutdown`, the last hook: until then
 * the HTTP server answers, and captures.
 */
@Global()
@Module({
  providers: [{ provide: Storage, inject: [Settings], useFactory: (settings: Settings) => Storage.open(settings) }],
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
    { provide: Storage, inject: [Settings], useFactory: (settings: Settings) => Storage.openForBrain(settings) },
  ],
  exports: [Storage],
})
export class BrainStorageModule extends StorageModule {}
