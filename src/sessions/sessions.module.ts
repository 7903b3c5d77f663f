import { Module } from '@nestjs/common';
import { Settings } from '../config/index.js';
import { Storage } from '../infra/storage/index.js';
import { RedisSessionStore } from './adapters/redis/redis-session-store.js';
import { SqliteSessionStore } from './adapters/sqlite/sqlite-session-store.js';
import { SessionService } from './session.service.js';
import { SessionStore } from './session-store.port.js';

function openSessions({ backend }: Storage, { sessions, stream: { keyPrefix } }: Settings): SessionStore {
  return backend.kind === 'redis'
    ? new RedisSessionStore(backend.connections, sessions, { keyPrefix })
    : new SqliteSessionStore(backend.database, sessions);
}

/** The last turns of each conversation. */
@Module({
  providers: [{ provide: SessionStore, inject: [Storage, Settings], useFactory: openSessions }, SessionService],
  exports: [SessionStore, SessionService],
})
export class SessionsModule {}
