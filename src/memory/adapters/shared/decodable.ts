import type { ListOptions, ListPosition } from '../../store/memory-store.port.js';

// If unreadable records take places, a search reads at most this many times the wanted number.
const MAX_FACTOR = 8;

/**
 * The first `limit` of what `read` gives that can be decoded. Where some cannot, more are read, so that they take
 * nobody's place.
 */
export async function decodableOf<Row, T>(
  limit: number,
  read: (count: number) => Promise<readonly Row[]>,
  decode: (row: Row) => T | undefined,
): Promise<T[]> {
  for (let factor = 1; ; factor *= 2) {
    const rows = await read(limit * factor);
    const decoded = rows.map(decode).filter((one) => one !== undefined);
    const isAll = rows.length < limit * factor;
    if (decoded.length >= limit || isAll || factor >= MAX_FACTOR) return decoded.slice(0, limit);
  }
}

/** The same for a page of a list. Only the last page may be short, because clients take a short page for the last. */
export async function decodablePage<Row, T>(
  { limit, after }: ListOptions,
  read: (after: ListPosition | undefined) => Promise<readonly Row[]>,
  positionOf: (row: Row) => ListPosition,
  decode: (row: Row) => T | undefined,
): Promise<T[]> {
  const page: T[] = [];
  let last = after;
  while (page.length < limit) {
    const rows = await read(last);
    page.push(...rows.map(decode).filter((one) => one !== undefined));
    const end = rows.at(-1);
    if (end === undefined || rows.length < limit) break;
    last = positionOf(end);
  }
  return page.slice(0, limit);
}
