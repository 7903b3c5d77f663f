import type { MemoryFilter } from '../../store/memory-store.port.js';

/** A part of a statement, and the values of its parameters. Statements are prepared once for each text. */
export interface SqlFilter {
  readonly sql: string;
  readonly params: readonly (string | number)[];
}

type Field = NonNullable<MemoryFilter['metadata']>[string];

/** Conditions on a row of `memories`, each with AND before it; the empty text for no filter. */
export function conditionsOf(filter: MemoryFilter = {}): SqlFilter {
  const { sessionId, role, source, isPinned, sinceMs, untilMs, metadata = {}, asOfMs } = filter;
  const { includeQuestions = true, includeSuperseded = true } = filter;
  const parts: SqlFilter[] = [
    ...equal('session_id = ?', sessionId),
    ...equal('role = ?', role),
    ...equal('source = ?', source),
    ...equal('is_pinned = ?', isPinned === undefined ? undefined : Number(isPinned)),
    ...equal('created_at_ms >= ?', sinceMs),
    ...equal('created_at_ms < ?', untilMs),
    ...equal('created_at_ms <= ?', asOfMs),
    ...(includeQuestions ? [] : [{ sql: 'is_question = 0', params: [] }]),
    ...(includeSuperseded ? [] : [holding(asOfMs)]),
    ...Object.entries(metadata).map(([key, value]) => hasField(key, value)),
  ];
  return { sql: parts.map(({ sql }) => ` AND ${sql}`).join(''), params: parts.flatMap(({ params }) => params) };
}

const equal = (sql: string, value: string | number | undefined): SqlFilter[] =>
  value === undefined ? [] : [{ sql, params: [value] }];

const holding = (asOfMs: number | undefined): SqlFilter =>
  asOfMs === undefined
    ? { sql: 'superseded_by IS NULL', params: [] }
    : { sql: '(superseded_by IS NULL OR superseded_at_ms > ?)', params: [asOfMs] };

/** A damaged record has no field; asking SQLite for one would be an error. */
function hasField(key: string, value: Field): SqlFilter {
  const { sql, params } = isValue(value);
  return {
    sql: `CASE WHEN json_valid(metadata) THEN EXISTS (
      SELECT 1 FROM json_each(metadata) AS field WHERE field.key = ? AND ${sql}) END`,
    params: [key, ...params],
  };
}

function isValue(value: Field): SqlFilter {
  if (value === null) return { sql: `field.type = 'null'`, params: [] };
  if (typeof value === 'boolean') return { sql: `field.type = '${value}'`, params: [] };
  return typeof value === 'string'
    ? { sql: `field.type = 'text' AND field.atom = ?`, params: [value] }
    : { sql: `field.type IN ('integer', 'real') AND field.atom = ?`, params: [value] };
}
