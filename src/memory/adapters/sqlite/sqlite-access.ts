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

  /** Resolves when it is on the disk: what was remembered, or forgotten, stays so after a power loss. */
  async write<T>(work: () => T): Promise<T> {
    return reachingSqlite(async () => {
      const result = await this.database.transaction(work);
      await this.database.sync();
      return result;
    });
  }

  /**
   * Resolves before it is on the disk. That is enough for what can be done again: a message is acknowledged later in the
   * same file, whose log is read back in order and only as far as it is whole. A power loss that takes the judgement takes
   * the acknowledgement with it, and the message is given again.
   */
  async commit<T>(work: () => T): Promise<T> {
    return reachingSqlite(() => this.database.transaction(work));
  }

  /** Makes what was deleted unreadable in the log, too. */
  async scrub(): Promise<void> {
    await reachingSqlite(() => this.database.scrub());
  }

  async check(): Promise<void> {
    await reachingSqlite(() => this.database.check());
  }
}
