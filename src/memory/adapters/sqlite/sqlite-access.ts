import { type SqliteDatabase, sqliteFailuresAs } from '../../../infra/sqlite/index.js';
import { StoreRefusedError } from '../../../shared/index.js';
import { MemoryStoreUnavailableError } from '../../memory.errors.js';

const reachingSqlite = sqliteFailuresAs(MemoryStoreUnavailableError, StoreRefusedError);

/** The ways to work on the file. Every method throws MemoryStoreUnavailableError and StoreRefusedError. */
export class SqliteAccess {
  constructor(private readonly database: SqliteDatabase) {}

  async read<T>(work: () => T): Promise<T> {
    return reachingSqlite(() => this.database.snapshot(work));
  }

  /** One statement sees one state by itself; a transaction around it would take longer than it does. */
  async one<T>(work: () => T): Promise<T> {
    return reachingSqlite(async () => work());
  }

  /** Resolves when the work is on the disk, so that it survives a power loss. */
  async write<T>(work: () => T): Promise<T> {
    return reachingSqlite(async () => {
      const result = await this.database.transaction(work);
      await this.database.sync();
      return result;
    });
  }

  /**
   * Resolves before the work is on the disk. That is safe for work that can be repeated: the acknowledgement of a
   * message is written later to the same file, and the log is replayed in order up to its first damaged record. So a
   * power loss that loses the judgement also loses the acknowledgement, and the message is delivered again.
   */
  async commit<T>(work: () => T): Promise<T> {
    return reachingSqlite(() => this.database.transaction(work));
  }

  /** Makes deleted data unreadable in the write-ahead log, too. */
  async scrub(): Promise<void> {
    await reachingSqlite(() => this.database.scrub());
  }

  async check(): Promise<void> {
    await reachingSqlite(() => this.database.check());
  }
}
