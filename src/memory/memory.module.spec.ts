import { Injectable, Logger, Module, type BeforeApplicationShutdown } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { jest } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as endOfTurn } from 'node:timers/promises';
import { until } from '../../test/support/until.js';
import { ConfigModule } from '../config/index.js';
import { readSettings } from '../settings.js';
import { LifecycleModule } from '../infra/lifecycle/index.js';
import { Storage, StorageModule } from '../infra/storage/index.js';
import { ObservabilityModule } from '../observability/index.js';
import { MemoryModule, MemoryStore, RecallService } from './index.js';

/** Has the last requests, as the HTTP server has. */
@Injectable()
class LastRequests implements BeforeApplicationShutdown {
  readonly over = Promise.withResolvers<undefined>();

  beforeApplicationShutdown(): void {
    this.over.resolve(undefined);
  }
}

describe(MemoryModule.name, () => {
  let folder: string;

  beforeAll(() => {
    Logger.overrideLogger(false);
  });

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'memory-module-'));
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await rm(folder, { recursive: true });
  });

  it('finishes storing the recall counts before the store ends', async () => {
    const ends: string[] = [];
    const away = 'http://127.0.0.1:9';
    const environment = { BRAIN_DATA_DIR: folder, VORPAL_URL: away, EMBEDDINGS_URL: away };

    @Module({
      imports: [
        ConfigModule.forRoot(readSettings(environment)),
        LifecycleModule,
        ObservabilityModule,
        StorageModule,
        MemoryModule,
      ],
      providers: [LastRequests],
    })
    class BrainModule {}
    const sut = await Test.createTestingModule({ imports: [BrainModule] }).compile();
    await sut.init();
    const store = sut.get(MemoryStore);
    const note = store.noteRecalled.bind(store);
    const held = Promise.withResolvers<undefined>();
    const noting = jest.spyOn(store, 'noteRecalled').mockImplementation(async (...args) => {
      await held.promise;
      await note(...args);
      ends.push('note');
    });
    const storage = sut.get(Storage);
    const close = storage.close.bind(storage);
    jest.spyOn(storage, 'close').mockImplementation(async () => {
      ends.push('store');
      await close();
    });

    sut.get(RecallService).noteStood('ada', ['a-memory']);
    await until(() => noting.mock.calls.length > 0, 'the note to be under way');
    const closing = sut.close();
    await sut.get(LastRequests).over.promise;
    // The hooks that wait for nothing are over by then.
    for (let turn = 0; turn < 20; turn++) await endOfTurn();
    held.resolve(undefined);
    await closing;

    expect(ends).toEqual(['note', 'store']);
  });
});
