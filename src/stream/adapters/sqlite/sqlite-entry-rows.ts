import type { SqliteStatement } from '../../../infra/sqlite/index.js';
import { type Decoded, decodeEntry } from '../../stored-entry.js';

export type Row = ReturnType<SqliteStatement['all']>[number];

/** The entry in a row of the entries or of the dead letters. */
export function decodeRow(columns: Row): Decoded {
  // What was not given is NULL in its column.
  const { traceparent, forget_mark: forgetMark, ...fields } = columns;
  const optional = {
    ...(traceparent !== null && { traceparent }),
    ...(forgetMark !== null && { forget_mark: forgetMark }),
  };
  return decodeEntry({ ...fields, ...optional });
}
