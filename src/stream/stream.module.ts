import { Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { join } from 'node:path';
import { Settings } from '../config/index.js';
import { LifecycleModule, ShutdownDeadline } from '../infra/lifecycle/index.js';
import { RedisConnections } from '../infra/redis/index.js';
import { SqliteDatabase } from '../infra/sqlite/index.js';
import { describeError } from '../shared/index.js';
import { RedisInputStream } from './adapters/redis-input-stream.js';
import { SqliteInputStream } from './adapters/sqlite-input-stream.js';
import { CaptureService } from './capture.service.js';
import { InputStream } from './input-stream.port.js';
import { StreamConfigurationError } from './stream.errors.js';
import { StreamHealth } from './stream.health.js';

const DATABASE_FILE = 'brain.sqlite';
// Captures get this long even when the requests have used up the grace period: one round to the disk or to Redis.
const MIN_DRAIN_MS = 250;

type OpenStream = RedisInputStream | SqliteInputStream;
const OPEN_STREAM = Symbol('OPEN_STREAM');

async function openStream({ server, stream }: Settings): Promise<OpenStream> {
  if (stream.redisUrl === undefined) return new SqliteInputStream(await openDatabase(server.dataDir), stream);
  const connections = new RedisConnections(stream.redisUrl);
  await connections.open();
  return new RedisInputStream(connections, stream);
}

async function openDatabase(dataDir: string): Promise<SqliteDatabase> {
  try {
    return await SqliteDatabase.open(join(dataDir, DATABASE_FILE));
  } catch (error) {
    throw new StreamConfigurationError(
      `The stream's file ${join(dataDir, DATABASE_FILE)} cannot be used (${describeError(error)}). ` +
        'Set BRAIN_DATA_DIR to a folder on a local disk that this user can write, or REDIS_URL to a Redis',
    );
  }
}

/**
 * The stream of captured messages: Redis where `REDIS_URL` is set, else a file in `BRAIN_DATA_DIR`.
 *
 * It is closed by `onApplicationShutdown`, the last hook: until then the HTTP server answers, and captures.
 */
@Module({
  imports: [TerminusModule, LifecycleModule],
  providers: [
    { provide: OPEN_STREAM, inject: [Settings], useFactory: openStream },
    { provide: InputStream, useExisting: OPEN_STREAM },
    CaptureService,
    StreamHealth,
  ],
  exports: [InputStream, CaptureService, StreamHealth],
})
export class StreamModule implements OnApplicationShutdown {
  constructor(
    @Inject(OPEN_STREAM) private readonly stream: OpenStream,
    private readonly capture: CaptureService,
    private readonly deadline: ShutdownDeadline,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.capture.drain(Math.max(MIN_DRAIN_MS, this.deadline.remainingMs()));
    await this.stream.close();
  }
}
