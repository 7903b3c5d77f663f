import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { redisSettings, type RedisSettings } from '../infra/redis/index.js';
import { Storage } from '../infra/storage/index.js';
import { SessionsModule } from '../sessions/index.js';
import { StreamModule } from '../stream/index.js';
import { VorpalModule } from '../vorpal/index.js';
import { RedisMemoryStore } from './adapters/redis/redis-memory-store.js';
import { SqliteMemoryStore } from './adapters/sqlite/sqlite-memory-store.js';
import { Embedder } from './embedding/embedder.js';
import { ForgetService } from './api/forget.service.js';
import { ImportService } from './maintenance/import.service.js';
import { MemoryHealth } from './memory.health.js';
import { MemoryService } from './api/memory.service.js';
import { MemoryStore } from './store/memory-store.port.js';
import { ReembeddingStore } from './store/reembedding-store.port.js';
import { ReindexingStore } from './store/reindexing-store.port.js';
import { RecallService } from './recall/recall.service.js';
import { ReembedService } from './maintenance/reembed.service.js';
import { ReindexNotice } from './maintenance/reindex-notice.js';
import { ReindexService } from './maintenance/reindex.service.js';
import { RememberService } from './remember/remember.service.js';
import { memorySettings, type MemorySettings } from './memory.settings.js';

type Stores = RedisMemoryStore | SqliteMemoryStore;

function openMemories({ backend }: Storage, settings: MemorySettings, { keyPrefix }: RedisSettings): Stores {
  return backend.kind === 'redis'
    ? new RedisMemoryStore(backend.connections, settings, { keyPrefix })
    : new SqliteMemoryStore(backend.database, settings);
}

/** How memories are decided on, stored, found and forgotten. */
@Module({
  imports: [StreamModule, SessionsModule, VorpalModule, TerminusModule],
  providers: [
    { provide: MemoryStore, inject: [Storage, memorySettings.KEY, redisSettings.KEY], useFactory: openMemories },
    { provide: ReembeddingStore, inject: [MemoryStore], useFactory: ({ reembedding }: Stores) => reembedding },
    { provide: ReindexingStore, inject: [MemoryStore], useFactory: ({ reindexing }: Stores) => reindexing },
    Embedder,
    MemoryService,
    ImportService,
    ForgetService,
    RememberService,
    RecallService,
    ReembedService,
    ReindexService,
    {
      provide: ReindexNotice,
      inject: [ReindexingStore],
      useFactory: (store: ReindexingStore) => new ReindexNotice(store),
    },
    MemoryHealth,
  ],
  exports: [
    MemoryStore,
    Embedder,
    MemoryService,
    ImportService,
    ForgetService,
    RememberService,
    RecallService,
    ReembedService,
    ReindexService,
    MemoryHealth,
  ],
})
export class MemoryModule {}
