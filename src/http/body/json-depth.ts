/**
 * Levels of objects and arrays in a JSON value that are accepted. Much of what walks such a value calls itself for each
 * level; some thousand of them would exhaust the stack.
 */
export const MAX_JSON_DEPTH = 64;

/** Whether a parsed JSON value is nested deeper than {@link MAX_JSON_DEPTH}; walks it level by level. */
export function isNestedTooDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; depth <= MAX_JSON_DEPTH; depth++) {
    level = level.flatMap((item) =>
      typeof item === 'object' && item !== null ? (Object.values(item) as unknown[]) : [],
    );
    if (level.length === 0) return false;
  }
  return true;
}

/** Whether all numbers of a JSON value fit a double: one that does not, as 1e999, is parsed to what JSON cannot say. */
export function isFiniteThroughout(value: unknown): boolean {
  if (typeof value === 'number') return Number.isFinite(value);
  return typeof value !== 'object' || value === null || Object.values(value).every(isFiniteThroughout);
}
