import { blankUnsafe, escapeUnsafe } from './unsafe-text.js';

describe(escapeUnsafe.name, () => {
  it.each([
    ['a line break', 'a\nb', String.raw`a\u000ab`],
    ['a carriage return', 'a\rb', String.raw`a\u000db`],
    ['an escape sequence', '\u001b[2J', String.raw`\u001b[2J`],
    ['a control of the second set', 'a\u009bb', String.raw`a\u009bb`],
    ['a line separator', 'a\u2028b', String.raw`a\u2028b`],
    ['a paragraph separator', 'a\u2029b', String.raw`a\u2029b`],
    ['an override of direction', 'a\u202eb', String.raw`a\u202eb`],
    ['an isolate', 'a\u2066b\u2069', String.raw`a\u2066b\u2069`],
    ['marks of direction', '\u200e\u200f\u061c', String.raw`\u200e\u200f\u061c`],
    ['what has no width', '\u200b\u2060\ufeff', String.raw`\u200b\u2060\ufeff`],
    ['a tag', 'a\u{e0041}b', String.raw`a\udb40\udc41b`],
    ['half an emoji', 'a\ud83db', String.raw`a\ud83db`],
  ])('shows %s', (_, text, expected) => {
    expect(escapeUnsafe(text)).toBe(expected);
  });

  it('leaves ordinary text of any language, and emoji, as they are', () => {
    const text = 'Grüße, שלום नमस्ते こんにちは 👩🏽 — "quoted" \\ done';
    expect([escapeUnsafe(text), blankUnsafe(text)]).toEqual([text, text]);
  });

  it('keeps a line of JSON the same value', () => {
    const value = { text: 'a\n\u2028\u202e\u{e0041}\ud83d😀' };
    const line = escapeUnsafe(JSON.stringify(value));
    expect(line).toBe(String.raw`{"text":"a\n\u2028\u202e\udb40\udc41\ud83d😀"}`);
    expect(JSON.parse(line)).toEqual(value);
  });
});
