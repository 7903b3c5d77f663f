import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import type { DatabaseSync } from 'node:sqlite';
import { z } from 'zod';
import { fullJitterBackoffMs, sleep } from '../../shared/index.js';
import { openPrivately } from './private-file.js';
import { isLocked } from './sqlite-errors.js';

// How soon a released lock is noticed; asking costs a system call or two.
const BACKOFF = { initialMs: 50, maxMs: 500 };
// Full jitter may give zero; the floor keeps the one that waits from asking without pause.
const FLOOR_MS = 20;

const holderSchema = z.object({ pid: z.int().positive(), host: z.string(), since: z.string() });

export interface LockOptions {
  /** How long to wait for the process that holds it. */
  readonly waitMs: number;
  /** Called once, if another process holds the lock. */
  readonly onWait: (holder: string) => void;
}

/** Another process holds the lock. */
export class ProcessLockedError extends Error {
  override readonly name = 'ProcessLockedError';

  /** @param holder in words, as far as it is known */
  constructor(readonly holder: string) {
    super(`${holder} holds the lock`);
  }
}

/**
 * A lock that one process holds at a time. The kernel lets go of it when the process ends, however it ends, so that it
 * is never stale. It is SQLite's lock on a file that stays empty: Node has none of its own, and this one takes no room
 * on a disk that is full.
 */
export class ProcessLock {
  private constructor(
    private readonly path: string,
    /** Its open transaction is the lock. */
    private readonly database: DatabaseSync,
  ) {}

  /**
   * The folder of `path` must exist. @throws ProcessLockedError; SQLite's errors if the file cannot be made or locked
   */
  static async acquire(path: string, { waitMs, onWait }: LockOptions): Promise<ProcessLock> {
    const deadline = performance.now() + waitMs;
    for (let attempt = 0; ; attempt++) {
      const database = tryLock(path);
      if (database !== undefined) return ProcessLock.hold(path, database);
      const holder = await readHolder(path);
      if (performance.now() >= deadline) throw new ProcessLockedError(holder);
      if (attempt === 0) onWait(holder);
      await sleep(FLOOR_MS + fullJitterBackoffMs(attempt, BACKOFF));
    }
  }

  /** Whether no process holds it now. @throws SQLite's errors if the file cannot be made or locked */
  static isFree(path: string): boolean {
    const database = tryLock(path);
    database?.close();
    return database !== undefined;
  }

  async release(): Promise<void> {
    // Before the lock goes: afterwards it may tell of the next one.
    await rm(holderPath(this.path), { force: true });
    this.database.close();
  }

  private static async hold(path: string, database: DatabaseSync): Promise<ProcessLock> {
    const holder = { pid: process.pid, host: hostname(), since: new Date().toISOString() };
    try {
      await writeFile(holderPath(path), JSON.stringify(holder), { mode: 0o600 });
    } catch {
      // A disk that is full takes no name, and the lock is as good without one.
      await rm(holderPath(path), { force: true }).catch(() => undefined);
    }
    return new ProcessLock(path, database);
  }
}

/** A separate file, since the locked file cannot be read. */
const holderPath = (path: string): string => `${path}.json`;

function tryLock(path: string): DatabaseSync | undefined {
  const database = openPrivately(path, { timeout: 0 });
  try {
    // Without the first a second file comes with the lock.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
    return database;
  } catch (error) {
    database.close();
    if (isLocked(error)) return undefined;
    throw error;
  }
}

async function readHolder(path: string): Promise<string> {
  try {
    const { pid, host, since } = holderSchema.parse(JSON.parse(await readFile(holderPath(path), 'utf8')));
    return `process ${pid} on ${host} (since ${since})`;
  } catch {
    // Not written yet, or gone again.
    return 'another process';
  }
}
