import { contentId } from './content-id.js';

const CONTENT = {
  userId: 'ada',
  text: 'My dog is called Bruno.',
  role: 'user',
  sessionId: null,
  createdAtMs: Date.UTC(2026, 10, 22, 10),
} as const;

describe(contentId.name, () => {
  it('is the same for the same content, today and in the next release', () => {
    expect(contentId(CONTENT)).toBe(contentId({ ...CONTENT }));
    expect(contentId(CONTENT)).toMatchInlineSnapshot(`"01a202b2-c500-8796-b1a3-6ddfcfd4954b"`);
    expect(contentId(CONTENT)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it.each([
    ['user', { userId: 'bob' }],
    ['text', { text: 'My dog is called bruno.' }],
    ['role', { role: 'assistant' as const }],
    ['session', { sessionId: 's' }],
    ['time', { createdAtMs: CONTENT.createdAtMs + 1 }],
    ['lack of a time', { createdAtMs: undefined }],
  ])('is another one for another %s', (_, other) => {
    expect(contentId({ ...CONTENT, ...other })).not.toBe(contentId(CONTENT));
  });

  it('sorts by time, and before all others without one', () => {
    const times = [undefined, -1, 1, CONTENT.createdAtMs, CONTENT.createdAtMs + 1, 2 ** 50];
    const ids = times.map((createdAtMs) => contentId({ ...CONTENT, createdAtMs }));
    expect(ids.slice(2)).toEqual(ids.slice(2).toSorted());
    for (const id of ids.slice(0, 2)) expect(id < ids[2]!).toBe(true);
  });
});
