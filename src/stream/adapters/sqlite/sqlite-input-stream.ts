import { Logger } from '@nestjs/common';
import type { StreamSettings } from '../../stream.settings.js';
import {
  isSqliteError,
  type SqliteDatabase,
  sqliteFailuresAs,
  type SqliteStatement,
} from '../../../infra/sqlite/index.js';
import { sleep } from '../../../shared/index.js';
import {
  type DeliveredEntry,
  InputStream,
  MOST_UNSETTLED,
  type ReadOptions,
  type StreamEntry,
  type StreamStatistics,
  type Unsettled,
} from '../../input-stream.port.js';
import { encodeEntry, type StoredEntry } from '../../stored-entry.js';
import { KNOWN_IDS, MAX_DEAD_LETTERS, MAX_REASON_CHARACTERS } from '../../stream-limits.js';
import { StreamUnavailableError } from '../../stream.errors.js';
import { appendBatcher } from '../append-batcher.js';
import { firstOfEachUser, unsettledOf } from '../earlier-entries.js';
import { decodeRow } from './sqlite-entry-rows.js';
import { prepareStatements, type StreamStatements } from './sqlite-stream-statements.js';

// How late a waiting read notices appends by other processes, and requeued entries; appends of this process wake it at
// once.
const POLL_MS = 200;
// Appends in one transaction. The event loop stands still for it: 256 entries took 2.5 ms at the median.
const MAX_APPENDS = 256;
const reachingSqlite = sqliteFailuresAs(StreamUnavailableError);

type ConsumerSettings = Pick<StreamSettings, 'consumer' | 'claimIdleMs'>;

/**
 * {@link InputStream} in a table of the embedded store.
 *
 * The appends of one tick of the event loop share a transaction and one sync of the disk, and resolve after both. The
 * sync runs outside the event loop, so no request waits for the disk.
 */
export class SqliteInputStream extends InputStream {
  private readonly logger = new Logger('Stream');
  private readonly statements: StreamStatements;
  private readonly consumer: string;
  private readonly claimIdleMs: number;
  private readonly appends = appendBatcher(MAX_APPENDS, (batch) => this.writeBatch(batch));
  /** Aborted, and replaced, by each append: wakes the read that waits. */
  private appended = new AbortController();
  /** Entries that this consumer's last process left pending are given first, in order. */
  private mayHoldUnseen = true;
  private lastReturned = 0;

  constructor(
    private readonly database: SqliteDatabase,
    settings: ConsumerSettings,
  ) {
    super();
    this.consumer = settings.consumer;
    this.claimIdleMs = settings.claimIdleMs;
    this.statements = prepareStatements(database);
  }

  async append(entry: StreamEntry): Promise<void> {
    await this.appends.add(encodeEntry(entry));
  }

  async read({ count, blockMs, signal }: ReadOptions): Promise<DeliveredEntry[]> {
    const deadline = performance.now() + blockMs;
    while (!signal.aborted) {
      // Taken before looking, so that an append between the look and the wait still wakes it.
      const appended = this.appended.signal;
      const delivered = await this.takeAny(count, signal);
      const waitMs = deadline - performance.now();
      if (delivered.length > 0 || waitMs <= 0) return delivered;
      await sleep(Math.min(waitMs, POLL_MS), AbortSignal.any([signal, appended]));
    }
    return [];
  }

  async earlier(delivered: readonly DeliveredEntry[]): Promise<Map<string, Unsettled>> {
    const firsts = [...firstOfEachUser(delivered)];
    const look = (userId: string, seq: number): Unsettled => {
      const receipts = this.statements.earlier.all(userId, seq, MOST_UNSETTLED).map((row) => String(row.seq));
      const isAll = receipts.length < MOST_UNSETTLED;
      const count = isAll ? receipts.length : Number(this.statements.countEarlier.get(userId, seq)?.n);
      return { receipts, count };
    };
    return reachingSqlite(async () =>
      unsettledOf(firsts.map(([userId, { receipt }]) => [userId, look(userId, Number(receipt))])),
    );
  }

  async acknowledge(delivered: readonly DeliveredEntry[]): Promise<void> {
    if (delivered.length === 0) return;
    await this.write(() => {
      for (const { receipt } of delivered) this.settle(Number(receipt));
    });
  }

  async renew(delivered: readonly DeliveredEntry[]): Promise<void> {
    if (delivered.length === 0) return;
    await this.write(() => {
      for (const { receipt } of delivered) this.statements.renew.run(Date.now(), Number(receipt), this.consumer);
    });
  }

  async deadLetter({ receipt }: DeliveredEntry, reason: string): Promise<void> {
    await this.write(() => {
      this.moveToDeadLetters(Number(receipt), reason);
    });
  }

  async forget(userId: string): Promise<number> {
    let removed = 0;
    await this.write(() => {
      this.statements.rememberIdsOf.run(userId);
      const entries = this.statements.removeAllOf.run(userId).changes;
      const deadLetters = this.statements.removeDeadLettersOf.run(userId).changes;
      this.statements.forgetIds.run(KNOWN_IDS);
      removed = Number(entries) + Number(deadLetters);
    });
    await reachingSqlite(() => this.database.scrub());
    return removed;
  }

  async statistics(): Promise<StreamStatistics> {
    return reachingSqlite(async () => {
      const row = this.statements.statistics.get();
      return { lag: Number(row?.lag), pending: Number(row?.pending), deadLetters: Number(row?.dead) };
    });
  }

  async check(): Promise<void> {
    await reachingSqlite(() => this.database.check());
  }

  private async writeBatch(batch: readonly StoredEntry[]): Promise<void> {
    await this.write(() => {
      for (const stored of batch) this.insert(stored);
    });
    this.wakeReader();
    await reachingSqlite(() => this.database.sync());
  }

  private insert(stored: StoredEntry): void {
    const {
      id,
      message,
      timestamp,
      user_id,
      session_id,
      role,
      context,
      traceparent = null,
      forget_mark = null,
    } = stored;
    const optional = [traceparent, forget_mark];
    this.statements.append.run(id, message, timestamp, user_id, session_id, role, context, ...optional, id);
  }

  private wakeReader(): void {
    const { appended } = this;
    this.appended = new AbortController();
    appended.abort();
  }

  private async takeAny(count: number, signal: AbortSignal): Promise<DeliveredEntry[]> {
    return reachingSqlite(async () => {
      // A look takes no lock; most polls end here.
      if (!this.isAnythingThere()) return [];
      try {
        const delivered = await this.database.transaction(() => this.take(count), signal);
        for (const { receipt } of delivered) this.lastReturned = Math.max(this.lastReturned, Number(receipt));
        return delivered;
      } catch (error) {
        if (signal.aborted && isSqliteError(error)) return [];
        throw error;
      }
    });
  }

  private isAnythingThere(): boolean {
    return this.mayHoldUnseen || this.statements.hasWork.get(this.staleBefore())?.work === 1;
  }

  private take(count: number): DeliveredEntry[] {
    if (this.mayHoldUnseen) {
      const own = this.deliver(this.statements.takeOwn, [this.consumer, this.lastReturned, count]);
      if (own.length > 0) return own;
      this.mayHoldUnseen = false;
    }
    const stale = this.deliver(this.statements.takeStale, [this.staleBefore(), count]);
    return stale.length > 0 ? stale : this.deliver(this.statements.takeUnread, [count]);
  }

  private deliver(statement: SqliteStatement, args: (string | number)[]): DeliveredEntry[] {
    const rows = statement.all(this.consumer, Date.now(), ...args);
    // RETURNING promises no order.
    rows.sort((a, b) => Number(a.seq) - Number(b.seq));
    const delivered: DeliveredEntry[] = [];
    for (const { seq, deliveries, ...columns } of rows) {
      const { entry, problem } = decodeRow(columns);
      if (entry) delivered.push({ entry, receipt: String(seq), deliveries: Number(deliveries) });
      else this.rejectUndecodable(Number(seq), problem);
    }
    return delivered;
  }

  private rejectUndecodable(seq: number, problem: string): void {
    this.logger.warn(`Moved entry ${seq} to the dead letters: ${problem}`);
    this.moveToDeadLetters(seq, problem);
  }

  private moveToDeadLetters(seq: number, reason: string): void {
    const { changes } = this.statements.deadLetter.run(
      reason.slice(0, MAX_REASON_CHARACTERS),
      new Date().toISOString(),
      seq,
    );
    if (changes === 0) return;
    this.statements.trimDeadLetters.run(MAX_DEAD_LETTERS);
    this.settle(seq);
  }

  private settle(seq: number): void {
    this.statements.rememberId.run(seq);
    this.statements.remove.run(seq);
    this.statements.forgetIds.run(KNOWN_IDS);
  }

  private staleBefore(): number {
    return Date.now() - this.claimIdleMs;
  }

  private async write<T>(work: () => T): Promise<T> {
    return reachingSqlite(() => this.database.transaction(work));
  }
}
