import type { SqliteDatabase, SqliteStatement } from '../../../infra/sqlite/index.js';
import type { ListOptions, ListPosition } from '../../store/memory-store.port.js';
import { conditionsOf } from './sqlite-memory-filter.js';
import type { Row } from './sqlite-memory-rows.js';
import { MEMORY_COLUMNS } from './sqlite-memory-statements.js';

/** Memories in their order, newest first. Every method is part of a transaction. */
export class SqliteMemoryList {
  /** By what they filter by. */
  private readonly statements = new Map<string, SqliteStatement>();

  constructor(private readonly database: SqliteDatabase) {}

  page(
    userId: string,
    { limit, after, filter }: Omit<ListOptions, 'after'> & { after?: ListPosition | undefined },
  ): Row[] {
    const { sql, params } = conditionsOf(filter);
    const position = after ? [after.createdAtMs, after.id] : [];
    const conditions = `${after ? ' AND (created_at_ms, id) < (?, ?)' : ''}${sql}`;
    return this.listing(conditions).all(userId, ...position, ...params, limit);
  }

  private listing(conditions: string): SqliteStatement {
    let statement = this.statements.get(conditions);
    if (!statement) {
      statement = this.database.prepare(`
        SELECT ${MEMORY_COLUMNS} FROM memories WHERE user_id = ?${conditions}
        ORDER BY created_at_ms DESC, id DESC LIMIT ?`);
      this.statements.set(conditions, statement);
    }
    return statement;
  }
}
