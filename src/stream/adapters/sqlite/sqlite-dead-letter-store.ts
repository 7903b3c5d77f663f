import { type SqliteDatabase, sqliteFailuresAs } from '../../../infra/sqlite/index.js';
import { type DeadLetter, type DeadLetterPage, DeadLetterStore } from '../../dead-letters/dead-letter-store.port.js';
import type { StreamEntry } from '../../input-stream.port.js';
import { STORED_FIELDS } from '../../stored-entry.js';
import { DeadLetterNotFoundError, DeadLetterUndecodableError } from '../../dead-letters/dead-letters.errors.js';
import { StreamUnavailableError } from '../../stream.errors.js';
import { decodeRow, type Row } from './sqlite-entry-rows.js';
import { prepareDeadLetterStatements, type DeadLetterStatements } from './sqlite-stream-statements.js';

// No sequence reaches a longer number, and JavaScript would not keep it exact.
const SEQUENCE = /^\d{1,15}$/;

const reachingSqlite = sqliteFailuresAs(StreamUnavailableError);

/** {@link DeadLetterStore} in a table of the embedded store. */
export class SqliteDeadLetterStore extends DeadLetterStore {
  private readonly statements: DeadLetterStatements;

  constructor(private readonly database: SqliteDatabase) {
    super();
    this.statements = prepareDeadLetterStatements(database);
  }

  async list({ limit, after }: DeadLetterPage): Promise<DeadLetter[]> {
    const seq = after === undefined ? 0 : sequenceOf(after);
    return reachingSqlite(async () => this.statements.list.all(seq, limit).map(toDeadLetter));
  }

  async find(handle: string): Promise<DeadLetter> {
    const seq = sequenceOf(handle);
    return toDeadLetter(await reachingSqlite(async () => this.read(seq)));
  }

  async requeue(handle: string): Promise<StreamEntry> {
    const seq = sequenceOf(handle);
    return this.write(() => {
      const { entry, problem } = decodeRow(this.read(seq));
      if (!entry) throw new DeadLetterUndecodableError(problem);
      this.statements.requeue.run(seq);
      this.statements.forgetId.run(entry.id);
      this.statements.remove.run(seq);
      return entry;
    });
  }

  async drop(handle: string): Promise<void> {
    const seq = sequenceOf(handle);
    await this.write(() => {
      if (this.statements.remove.run(seq).changes === 0) throw new DeadLetterNotFoundError();
    });
    await reachingSqlite(() => this.database.scrub());
  }

  async count(): Promise<number> {
    return reachingSqlite(async () => Number(this.statements.count.get()?.dead));
  }

  private read(seq: number): Row {
    const row = this.statements.find.get(seq);
    if (row === undefined) throw new DeadLetterNotFoundError();
    return row;
  }

  private async write<T>(work: () => T): Promise<T> {
    return reachingSqlite(() => this.database.transaction(work));
  }
}

/** @throws DeadLetterNotFoundError for a handle that this store never gave out */
function sequenceOf(handle: string): number {
  if (!SEQUENCE.test(handle)) throw new DeadLetterNotFoundError();
  return Number(handle);
}

function toDeadLetter(row: Row): DeadLetter {
  const { entry = null } = decodeRow(row);
  const timestampMs = Date.parse(String(row.timestamp));
  return {
    handle: String(row.seq),
    entry,
    fieldNames: STORED_FIELDS.filter((name) => row[name] !== null),
    error: String(row.error),
    deliveries: Number(row.deliveries),
    capturedAtMs: Number.isNaN(timestampMs) ? null : timestampMs,
    deadLetteredAtMs: Date.parse(String(row.dead_lettered_at)),
  };
}
