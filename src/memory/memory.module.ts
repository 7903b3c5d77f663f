import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Settings } from '../config/index.js';
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
import { RecallService } from './recall/recall.service.js';
import { ReembedService } from './maintenance/reembed.service.js';
import { ReindexNotice } from './maintenance/reindex-notice.js';
import { ReindexService } from './maintenance/reindex.service.js';
import { RememberService } from './remember/remember.service.js';

function openMemories({ backend }: Storage, { memory, stream: { keyPrefix } }: Settings): MemoryStore {
  return backend.kind === 'redis'
    ? new RedisMemoryStore(backend.connections, memory, { keyPrefix })
    : new SqliteMemoryStore(backend.database, memory);
}

/** What is remembered, and how it is decided, kept, found and forgotten. */
@Module({
  imports: [StreamModule, SessionsModule, VorpalModule, TerminusModule],
  providers: [
    { provide: MemoryStore, inject: [Storage, Settings], useFactory: openMemories },
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
      inject: [MemoryStore],
      useFactory: (store: MemoryStore) => new ReindexNotice(store),
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
