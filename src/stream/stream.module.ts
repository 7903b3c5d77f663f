import { Module, type OnApplicationShutdown } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { ShutdownDeadline } from '../infra/lifecycle/index.js';
import { lockWaitMs, Storage, storageSettings, type StorageSettings } from '../infra/storage/index.js';
import { RedisDeadLetterStore } from './adapters/redis/redis-dead-letter-store.js';
import { RedisInputStream } from './adapters/redis/redis-input-stream.js';
import { SqliteDeadLetterStore } from './adapters/sqlite/sqlite-dead-letter-store.js';
import { SqliteInputStream } from './adapters/sqlite/sqlite-input-stream.js';
import { CaptureService } from './capture.service.js';
import { DeadLetterStore } from './dead-letters/dead-letter-store.port.js';
import { InputStream } from './input-stream.port.js';
import { CaptureSpool, spoolFolder } from './spool/index.js';
import { StreamHealth } from './stream.health.js';
import { streamSettings, type StreamSettings } from './stream.settings.js';

// Captures get this long even when the requests have used up the grace period: one round to the disk or to Redis.
const MIN_DRAIN_MS = 250;
// For writing to the spool what has not landed by then; it takes milliseconds, unless the disk hangs.
const SPOOL_MS = 1_000;

function openStream({ backend }: Storage, settings: StreamSettings): InputStream {
  return backend.kind === 'redis'
    ? new RedisInputStream(backend.connections, settings)
    : new SqliteInputStream(backend.database, settings);
}

function openDeadLetters({ backend }: Storage, settings: StreamSettings): DeadLetterStore {
  return backend.kind === 'redis'
    ? new RedisDeadLetterStore(backend.connections, settings)
    : new SqliteDeadLetterStore(backend.database);
}

function makeSpool({ consumer, spoolMaxBytes }: StreamSettings, storage: StorageSettings): CaptureSpool {
  const folder = spoolFolder(storage.dataDir, consumer);
  return new CaptureSpool({ folder, maxBytes: spoolMaxBytes, lockWaitMs: lockWaitMs(storage) });
}

/**
 * The stream of captured messages. What is being captured when the process stops is landed, or spooled, before the
 * store is closed.
 */
@Module({
  imports: [TerminusModule],
  providers: [
    { provide: InputStream, inject: [Storage, streamSettings.KEY], useFactory: openStream },
    { provide: DeadLetterStore, inject: [Storage, streamSettings.KEY], useFactory: openDeadLetters },
    { provide: CaptureSpool, inject: [streamSettings.KEY, storageSettings.KEY], useFactory: makeSpool },
    CaptureService,
    StreamHealth,
  ],
  exports: [InputStream, DeadLetterStore, CaptureService, StreamHealth],
})
export class StreamModule implements OnApplicationShutdown {
  constructor(
    private readonly capture: CaptureService,
    private readonly deadline: ShutdownDeadline,
  ) {}

  /** After all that captures, whose modules import this one, and after the last request. */
  async onApplicationShutdown(): Promise<void> {
    await this.capture.drain(Math.max(MIN_DRAIN_MS, this.deadline.remainingMs() - SPOOL_MS), SPOOL_MS);
  }
}
