import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { Settings } from '../config/index.js';
import { Storage } from '../infra/storage/index.js';
import { SessionsModule } from '../sessions/index.js';
import { StreamModule } from '../stream/index.js';
import { VorpalModule } from '../vorpal/index.js';
import { RedisMemoryStore } from './adapters/redis-memory-store.js';
import { SqliteMemoryStore } from './adapters/sqlite-memory-store.js';
import { Embedder } from './embedder.js';
import { ForgetService } from './forget.service.js';
import { ImportService } from './import.service.js';
import { MemoryHealth } from './memory.health.js';
import { MemoryService } from './memory.service.js';
import { MemoryStore } from './memory-store.port.js';
import { RecallService } from './recall.service.js';
import { ReembedService } from './reembed.service.js';
import { ReindexNotice } from './reindex-notice.js';
import { ReindexService } from './reindex.service.js';
import { RememberService } from './remember.service.js';

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
