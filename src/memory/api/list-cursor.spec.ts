import { listCursor, readListCursor } from './list-cursor.js';

describe(listCursor.name, () => {
  it.each([
    { createdAtMs: 1_790_000_000_000, id: '01ARZ3NDEKTSV4RRFFQ69G5FAV' },
    { createdAtMs: -1, id: 'notes/2026?#%2F "メモ" 😀' },
  ])('is read as the place it was made of: %j', (position) => {
    const cursor = listCursor(position);
    expect(readListCursor(cursor)).toEqual(position);
    expect(encodeURIComponent(cursor)).toBe(cursor);
  });

  it.each([
    ['nothing', ''],
    ['an id', '01a214f3-0000-7000-8000-000000000000'],
    ['another list', encoded('[1]')],
    ['an invalid time', encoded('["1","id"]')],
    ['a time beyond all', encoded('[1e300,"id"]')],
    ['no id', encoded('[1,""]')],
    ['an object', encoded('{"createdAtMs":1,"id":"id"}')],
  ])('is not read out of %s', (_, cursor) => {
    expect(readListCursor(cursor)).toBeUndefined();
  });

  function encoded(text: string): string {
    return Buffer.from(text).toString('base64url');
  }
});
