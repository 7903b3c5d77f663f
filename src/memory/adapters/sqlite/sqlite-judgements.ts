import { z } from 'zod';
import type { SqliteDatabase, SqliteStatement } from '../../../infra/sqlite/index.js';
import type { UndecodableRecords } from '../../../observability/index.js';
import type { Decision } from '../../memory.js';
import type { StatisticsStep } from '../../store/memory-store.port.js';
import type { Row } from './sqlite-memory-rows.js';
import { decodeDecision, encodeDecision } from '../shared/stored-decision.js';
import { parseJson } from '../shared/stored-record.js';

const storedSums = z.array(z.number());

export interface JudgementStatements {
  /** user id, id, decided at, decision: changes nothing if there is one. */
  readonly decide: SqliteStatement;
  /** user id, id */
  readonly isDecided: SqliteStatement;
  /** user id, limit */
  readonly decisions: SqliteStatement;
  /** user id */
  readonly size: SqliteStatement;
  /** user id, how many: the oldest. */
  readonly removeOldest: SqliteStatement;
  /** user id */
  readonly removeDecisions: SqliteStatement;
  /** user id, model */
  readonly sums: SqliteStatement;
  /** user id, model, sums */
  readonly putSums: SqliteStatement;
  /** user id */
  readonly removeSums: SqliteStatement;
}

/** The decisions and running statistics of the embedded store. Every method is part of a transaction. */
export class SqliteJudgements {
  private readonly statements: JudgementStatements;

  constructor(
    database: SqliteDatabase,
    private readonly maxDecisions: number,
    private readonly undecodable: UndecodableRecords,
  ) {
    this.statements = prepareJudgementStatements(database);
  }

  isDecided({ userId, id }: Decision): boolean {
    return this.statements.isDecided.get(userId, id) !== undefined;
  }

  /** Writes the decision of a message that has none, and removes the oldest decisions over the limit. */
  decide(decision: Decision): void {
    const { userId, id, decidedAtMs } = decision;
    this.statements.decide.run(userId, id, decidedAtMs, encodeDecision(decision));
    const tooMany = Number(this.statements.size.get(userId)?.decisions ?? 0) - this.maxDecisions;
    if (tooMany > 0) this.statements.removeOldest.run(userId, tooMany);
  }

  /** Newest first. */
  rows(userId: string, limit: number): Row[] {
    return this.statements.decisions.all(userId, limit);
  }

  decode(userId: string, row: Row): Decision | undefined {
    const { record, problem } = decodeDecision(userId, String(row.id), String(row.decision));
    if (!record) this.undecodable.note({ kind: 'decision', userId, id: String(row.id), problem });
    return record;
  }

  sums(userId: string, model: string): number[] {
    const row = this.statements.sums.get(userId, model);
    if (!row) return [];
    const { data } = storedSums.safeParse(parseJson(String(row.sums)));
    if (!data) this.undecodable.note({ kind: 'statistics', userId, id: model, problem: 'they are no numbers' });
    return data ?? [];
  }

  step(userId: string, { model, decay, addends }: StatisticsStep): void {
    const sums = this.sums(userId, model);
    const length = Math.max(sums.length, addends.length);
    const stepped = Array.from({ length }, (_, index) => (sums[index] ?? 0) * decay + (addends[index] ?? 0));
    this.statements.putSums.run(userId, model, JSON.stringify(stepped));
  }

  forget(userId: string): void {
    this.statements.removeDecisions.run(userId);
    this.statements.removeSums.run(userId);
  }
}

export function prepareJudgementStatements(database: SqliteDatabase): JudgementStatements {
  const prepare = (sql: string): SqliteStatement => database.prepare(sql);
  return {
    decide: prepare('INSERT INTO memory_decisions (user_id, id, decided_at_ms, decision) VALUES (?, ?, ?, ?)'),
    isDecided: prepare('SELECT 1 FROM memory_decisions WHERE user_id = ? AND id = ?'),
    decisions: prepare(`
      SELECT id, decision FROM memory_decisions WHERE user_id = ? ORDER BY decided_at_ms DESC, id DESC LIMIT ?`),
    size: prepare('SELECT decisions FROM memory_counts WHERE user_id = ?'),
    removeOldest: prepare(`
      DELETE FROM memory_decisions WHERE seq IN (
        SELECT seq FROM memory_decisions WHERE user_id = ? ORDER BY decided_at_ms, id LIMIT ?
      )`),
    removeDecisions: prepare('DELETE FROM memory_decisions WHERE user_id = ?'),
    sums: prepare('SELECT sums FROM memory_statistics WHERE user_id = ? AND model = ?'),
    putSums: prepare(`
      INSERT INTO memory_statistics (user_id, model, sums) VALUES (?, ?, ?)
      ON CONFLICT (user_id, model) DO UPDATE SET sums = excluded.sums`),
    removeSums: prepare('DELETE FROM memory_statistics WHERE user_id = ?'),
  };
}
