import { Logger } from '@nestjs/common';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BrainError } from '../../shared/index.js';
import { ProcessLock, ProcessLockedError } from '../sqlite/index.js';
import type { StorageSettings } from './storage.settings.js';

// Longer than the grace period of the process that is waited for: it writes and closes its files behind that.
const WAIT_MARGIN_MS = 2_000;

/** Which halves of the brain a role is; with one data folder there is one process for each half. */
const HALVES = { all: ['api', 'worker'], api: ['api'], worker: ['worker'] } as const;

/** Another brain works on this data folder. */
export class DataFolderInUseError extends BrainError {
  readonly code = 'DATA_FOLDER_IN_USE';
  readonly httpStatus = 500;

  constructor(folder: string, holder: string, role: string) {
    super(
      `The data folder ${folder} is in use by ${holder}, and allows one brain with BRAIN_ROLE=${role} at a time. ` +
        'Stop that process, set BRAIN_DATA_DIR to another folder, or REDIS_URL to a Redis, which any number may share',
    );
  }
}

/** How long a starting process waits for the lock of one that is stopping. */
export const lockWaitMs = ({ shutdownGraceMs }: StorageSettings): number => shutdownGraceMs + WAIT_MARGIN_MS;

/** Keeps a second brain out of the data folder of an embedded store. A command beside the brain needs none. */
export class DataFolderLocks {
  private constructor(private readonly locks: readonly ProcessLock[]) {}

  /**
   * Waits for a brain that is stopping.
   * @throws DataFolderInUseError; the system's or SQLite's error for a folder that cannot be used
   */
  static async acquire(settings: StorageSettings): Promise<DataFolderLocks> {
    const { dataDir, role } = settings;
    // For the owner only: it holds what people wrote.
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    const taken: ProcessLock[] = [];
    try {
      for (const half of HALVES[role]) taken.push(await acquire(join(dataDir, `${half}.lock`), settings));
      return new DataFolderLocks(taken);
    } catch (error) {
      await new DataFolderLocks(taken).release();
      if (error instanceof ProcessLockedError) throw new DataFolderInUseError(dataDir, error.holder, role);
      throw error;
    }
  }

  async release(): Promise<void> {
    for (const lock of this.locks) await lock.release();
  }
}

function acquire(path: string, settings: StorageSettings): Promise<ProcessLock> {
  const waitMs = lockWaitMs(settings);
  return ProcessLock.acquire(path, {
    waitMs,
    onWait: (holder) => {
      new Logger('Storage').warn(`The data folder is in use by ${holder}; waiting up to ${waitMs} ms for it to stop`);
    },
  });
}
