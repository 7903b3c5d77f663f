import { Logger } from '@nestjs/common';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import * as sqliteVec from 'sqlite-vec';
import { describeError, fullJitterBackoffMs, sleep } from '../../shared/index.js';
import { syncFolder } from '../files/index.js';
import { MIGRATIONS } from './migrations/index.js';
import { openPrivately } from './private-file.js';
import { isLocked, SqliteFileError } from './sqlite-errors.js';

export type SqliteStatement = StatementSync;

// While opening, another process may be migrating the same file; there is no request yet that waiting would stall.
const OPEN_BUSY_TIMEOUT_MS = 5_000;
// SQLite waits for a lock by blocking the event loop, so it may do so only briefly; the rest of the wait is ours.
const BUSY_TIMEOUT_MS = 10;
// Without an end, an append would wait for ever on a process that holds the lock and hangs.
const LOCK_WAIT_MS = 2_000;
const LOCK_BACKOFF = { initialMs: 10, maxMs: 100 };
// Between attempts to empty the log while another process goes on reading it.
const SCRUB_RETRY_MS = 5_000;
// Health checks come as often as somebody asks; each write of theirs takes a page of the log and a sync of the disk.
const PROBE_INTERVAL_MS = 2_000;
// Writes a field of the file's header that nothing reads, so that no table is needed: "ABrn".
const PROBE = 'PRAGMA application_id = 0x4142726e';

/**
 * The embedded store: one SQLite file in WAL mode, shared by the processes of one machine.
 *
 * Durability: a committed transaction survives the end of the process, `kill -9` too, because it is in the kernel's
 * page cache. It survives a power loss once {@link sync} has resolved. `synchronous=FULL` would give both at once, but
 * syncs on the event loop: 4 ms at the median and 12 at worst where this was measured, in which no request moves on.
 */
export class SqliteDatabase {
  private readonly logger = new Logger('Storage');
  private readonly begin: Record<'read' | 'write', StatementSync>;
  private readonly commit: StatementSync;
  private closed = false;
  private nextProbeAt = 0;
  private scrubTimer: NodeJS.Timeout | undefined;

  private constructor(
    private readonly path: string,
    private readonly inode: number,
    private readonly database: DatabaseSync,
    private readonly wal: FileHandle,
  ) {
    this.begin = { read: database.prepare('BEGIN'), write: database.prepare('BEGIN IMMEDIATE') };
    this.commit = database.prepare('COMMIT');
  }

  /**
   * Opens `path`, with its folder and schema made where they are missing.
   * @throws the system's error if folder or file cannot be written; SqliteFileError if the file is not a usable
   * database
   */
  static async open(path: string): Promise<SqliteDatabase> {
    // For the owner only: it holds what people wrote.
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    const database = openPrivately(path, { timeout: OPEN_BUSY_TIMEOUT_MS, allowExtension: true });
    try {
      loadVectors(database);
      useWal(database);
      migrate(database);
      database.exec(`PRAGMA busy_timeout = ${BUSY_TIMEOUT_MS}`);
      await syncFolder(dirname(path));
      // A second handle on the main file would drop SQLite's locks when closed (POSIX); the WAL carries none.
      const wal = await open(`${path}-wal`, 'r+');
      return new SqliteDatabase(path, statSync(path).ino, database, wal);
    } catch (error) {
      database.close();
      throw error;
    }
  }

  /** Prepare once, run often. */
  prepare(sql: string): SqliteStatement {
    return this.database.prepare(sql);
  }

  /**
   * Runs `work`, which is synchronous and short, as one write transaction; all of it or nothing.
   * Another process that holds the lock is waited for, up to two seconds, without blocking the event loop.
   * @throws what `work` throws; SQLite's errors
   */
  async transaction<T>(work: () => T, signal?: AbortSignal): Promise<T> {
    return this.onceUnlocked(() => this.tryTransaction('write', work), signal);
  }

  /**
   * Runs `work`, which is synchronous, short and only reads, on one state of the store: of what others commit meanwhile
   * it sees nothing.
   * @throws what `work` throws; SQLite's errors
   */
  async snapshot<T>(work: () => T): Promise<T> {
    return this.onceUnlocked(() => this.tryTransaction('read', work));
  }

  /** Resolves when all that was committed so far is on the disk. Runs outside the event loop. */
  async sync(): Promise<void> {
    await this.wal.datasync();
  }

  /**
   * Makes what was deleted unreadable in the log, too, whose pages hold it until they are written again; in the file it
   * is overwritten by `secure_delete`. Waits for those who read the log, up to two seconds; after that it is tried
   * again behind the caller. Copies the log on the event loop: for what people ask to be forgotten, not for every
   * deletion.
   * @throws SQLite's errors
   */
  async scrub(): Promise<void> {
    const deadline = performance.now() + LOCK_WAIT_MS;
    for (let attempt = 0; !this.tryScrub(); attempt++) {
      if (performance.now() >= deadline) {
        this.scrubLater();
        return;
      }
      await sleep(1 + fullJitterBackoffMs(attempt, LOCK_BACKOFF));
    }
  }

  /**
   * Throws unless a write works, reaches the disk, and the file that `path` names. Writes every two seconds at most.
   */
  async check(): Promise<void> {
    const isDue = performance.now() >= this.nextProbeAt;
    // An empty transaction succeeds on a disk that is full.
    await this.transaction(() => {
      if (isDue) this.database.exec(PROBE);
    });
    if (isDue) {
      await this.sync();
      this.nextProbeAt = performance.now() + PROBE_INTERVAL_MS;
    }
    // SQLite goes on happily with a file that was deleted or replaced, and all of it is gone at the next start.
    if (statSync(this.path).ino !== this.inode) throw new SqliteFileError('The file was replaced while it was open');
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    clearTimeout(this.scrubTimer);
    this.database.close();
    await this.wal.close();
  }

  private tryScrub(): boolean {
    try {
      return this.database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.busy === 0;
    } catch (error) {
      if (isLocked(error)) return false;
      throw error;
    }
  }

  private scrubLater(): void {
    if (this.closed || this.scrubTimer !== undefined) return;
    this.logger.warn('Forgotten data stays in the write-ahead log until no process reads it any more');
    this.scrubTimer = setTimeout(() => {
      this.scrubTimer = undefined;
      this.scrub().catch((error: unknown) => {
        this.logger.warn(`The write-ahead log could not be emptied: ${describeError(error)}`);
        this.scrubLater();
      });
    }, SCRUB_RETRY_MS).unref();
  }

  private async onceUnlocked<T>(tryOnce: () => T, signal?: AbortSignal): Promise<T> {
    const deadline = performance.now() + LOCK_WAIT_MS;
    for (let attempt = 0; ; attempt++) {
      try {
        return tryOnce();
      } catch (error) {
        if (!isLocked(error) || performance.now() >= deadline || signal?.aborted) throw error;
      }
      await sleep(1 + fullJitterBackoffMs(attempt, LOCK_BACKOFF), signal);
    }
  }

  private tryTransaction<T>(kind: 'read' | 'write', work: () => T): T {
    this.begin[kind].run();
    try {
      const result = work();
      this.commit.run();
      return result;
    } catch (error) {
      // A full disk, for one, makes SQLite roll back by itself.
      if (this.database.isTransaction) this.database.exec('ROLLBACK');
      throw error;
    }
  }
}

function loadVectors(database: DatabaseSync): void {
  try {
    sqliteVec.load(database);
  } catch (error) {
    throw new SqliteFileError(
      'The SQLite extension sqlite-vec cannot be loaded; install the packages on this machine',
      {
        cause: error,
      },
    );
  }
  // Otherwise whoever can run SQL could load any library.
  database.enableLoadExtension(false);
}

function useWal(database: DatabaseSync): void {
  const row = database.prepare('PRAGMA journal_mode = WAL').get();
  if (row?.journal_mode !== 'wal') {
    throw new SqliteFileError('The file system does not support a write-ahead log; use a local folder');
  }
  // Deleted data is overwritten with zeros, since it is what people wrote.
  database.exec('PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON');
}

function migrate(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE');
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version ?? 0);
  if (version > MIGRATIONS.length) {
    throw new SqliteFileError(
      `The file has schema version ${version} and this program knows ${MIGRATIONS.length}: a newer version wrote ` +
        'it. Use that one, or another folder',
    );
  }
  for (const step of MIGRATIONS.slice(version)) {
    if (typeof step === 'string') database.exec(step);
    else step(database);
  }
  // Writes nothing if nothing changes, so that a brain with a full disk can start and answer.
  if (version < MIGRATIONS.length) database.exec(`PRAGMA user_version = ${MIGRATIONS.length}`);
  database.exec('COMMIT');
}
