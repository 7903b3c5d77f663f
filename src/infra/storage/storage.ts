import { join } from 'node:path';
import { BrainError, describeError } from '../../shared/index.js';
import { RedisConnections, type RedisSettings } from '../redis/index.js';
import { SqliteDatabase } from '../sqlite/index.js';
import { DataFolderInUseError, DataFolderLocks } from './data-folder-locks.js';
import type { StorageSettings } from './storage.settings.js';

const DATABASE_FILE = 'brain.sqlite';

/** The settings do not describe a store that can be opened. */
export class StorageConfigurationError extends BrainError {
  readonly code = 'STORAGE_CONFIGURATION';
  readonly httpStatus = 500;
}

export type StorageBackend =
  | { readonly kind: 'redis'; readonly connections: RedisConnections }
  | { readonly kind: 'sqlite'; readonly database: SqliteDatabase };

/**
 * The one store that stream, sessions and memories share: Redis where `REDIS_URL` is set, else a file in
 * `BRAIN_DATA_DIR`.
 */
export class Storage {
  private constructor(
    readonly backend: StorageBackend,
    private readonly locks?: DataFolderLocks,
  ) {}

  /**
   * A Redis that cannot be reached yet is connected to later.
   * @throws StorageConfigurationError for a folder that cannot be used; RedisUnsupportedError for a Redis without
   * vector sets
   */
  static async open({ dataDir }: StorageSettings, redis: RedisSettings): Promise<Storage> {
    if (redis.server === undefined) {
      return new Storage({ kind: 'sqlite', database: await openDatabase(dataDir) });
    }
    const connections = new RedisConnections(redis.server);
    try {
      await connections.open();
      await connections.assertVectorSets();
    } catch (error) {
      await connections.close();
      throw error;
    }
    return new Storage({ kind: 'redis', connections });
  }

  /**
   * The same, alone: nothing of an embedded store is opened before its folder is this process's.
   * @throws DataFolderInUseError as well
   */
  static async openForBrain(settings: StorageSettings, redis: RedisSettings): Promise<Storage> {
    if (redis.server !== undefined) return Storage.open(settings, redis);
    const locks = await lockFolder(settings);
    try {
      const { backend } = await Storage.open(settings, redis);
      return new Storage(backend, locks);
    } catch (error) {
      await locks.release();
      throw error;
    }
  }

  async close(): Promise<void> {
    if (this.backend.kind === 'redis') await this.backend.connections.close();
    else await this.backend.database.close();
    await this.locks?.release();
  }
}

async function lockFolder(settings: StorageSettings): Promise<DataFolderLocks> {
  try {
    return await DataFolderLocks.acquire(settings);
  } catch (error) {
    if (error instanceof DataFolderInUseError) throw error;
    throw unusable(settings.dataDir, error);
  }
}

async function openDatabase(dataDir: string): Promise<SqliteDatabase> {
  const path = join(dataDir, DATABASE_FILE);
  try {
    return await SqliteDatabase.open(path);
  } catch (error) {
    throw unusable(path, error);
  }
}

function unusable(path: string, error: unknown): StorageConfigurationError {
  return new StorageConfigurationError(
    `${path} cannot be used (${describeError(error)}). ` +
      'Set BRAIN_DATA_DIR to a folder on a local disk that this user can write, or REDIS_URL to a Redis',
  );
}
