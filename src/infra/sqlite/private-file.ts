import { Logger } from '@nestjs/common';
import { chmodSync, statSync } from 'node:fs';
import { DatabaseSync, type DatabaseSyncOptions } from 'node:sqlite';
import { describeError } from '../../shared/index.js';

const FOR_OTHERS = 0o077;
const FOR_OWNER = 0o600;
// SQLite makes them with the mode of the main file; those of a former run have their own.
const COMPANIONS = ['', '-wal', '-shm'];

/**
 * Opens a database that only its owner may read, whatever the folder and the umask allow: it holds what people wrote.
 */
export function openPrivately(path: string, options: DatabaseSyncOptions): DatabaseSync {
  const database = new DatabaseSync(path, options);
  for (const companion of COMPANIONS) makePrivate(path + companion);
  return database;
}

// By name: closing a second handle on a database would drop SQLite's locks (POSIX).
function makePrivate(path: string): void {
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats === undefined || (stats.mode & FOR_OTHERS) === 0) return;
  try {
    chmodSync(path, FOR_OWNER);
  } catch (error) {
    new Logger('Storage').warn(
      `Others may be able to read ${path}, which holds what people wrote: ${describeError(error)}`,
    );
  }
}
