import { Module } from '@nestjs/common';
import { redisSettings, type RedisSettings } from '../infra/redis/index.js';
import { Storage } from '../infra/storage/index.js';
import { RedisSessionStore } from './adapters/redis/redis-session-store.js';
import { SqliteSessionStore } from './adapters/sqlite/sqlite-session-store.js';
import { SessionService } from './session.service.js';
import { sessionSettings, type SessionSettings } from './sessions.settings.js';
import { SessionStore } from './session-store.port.js';

function openSessions({ backend }: Storage, settings: SessionSettings, { keyPrefix }: RedisSettings): SessionStore {
  return backend.kind === 'redis'
    ? new RedisSessionStore(backend.connections, settings, { keyPrefix })
    : new SqliteSessionStore(backend.database, settings);
}

/** The last turns of each conversation. */
@Module({
  providers: [
    { provide: SessionStore, inject: [Storage, sessionSettings.KEY, redisSettings.KEY], useFactory: openSessions },
    SessionService,
  ],
  exports: [SessionStore, SessionService],
})
export class SessionsModule {}
