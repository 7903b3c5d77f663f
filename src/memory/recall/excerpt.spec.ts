import { estimateTokens } from '../../shared/index.js';
import { excerpt } from './excerpt.js';
import { queryTerms } from '../search/lexical-text.js';

const FILLER = 'Nothing of note was said about the weather on that long and quiet day. ';
const LONG = `${FILLER.repeat(12)}Then Mrs. Lindqvist took the spare key. ${FILLER.repeat(12)}`;

describe(excerpt.name, () => {
  it('is the text itself where that fits', () => {
    expect(excerpt('I live in Lund.', [], 100)).toBe('I live in Lund.');
  });

  it('stands around what matched, in whole words and with an ellipsis at each end', () => {
    const part = excerpt(LONG, queryTerms('Who is Lindqvist?'), 40);
    expect(part).toContain('Mrs. Lindqvist took the spare key');
    expect(estimateTokens(part)).toBeLessThanOrEqual(40);
    expect(part).toMatch(/^…\p{L}.*\p{L}…$/u);
    expect(LONG.split(/\W+/)).toEqual(expect.arrayContaining(part.replaceAll('…', '').split(/\W+/)));
  });

  it('prefers the place where most different terms stand', () => {
    const text = `key key key. ${FILLER.repeat(20)} The spare key is with Ada. ${FILLER.repeat(20)}`;
    expect(excerpt(text, queryTerms('spare key Ada'), 40)).toContain('The spare key is with Ada');
  });

  it('is the beginning where nothing matched, and the end where that did', () => {
    expect(excerpt(LONG, [], 30)).toMatch(/^Nothing of note .*…$/);
    expect(excerpt(`${LONG} Bye, Zelda.`, queryTerms('Zelda'), 30)).toMatch(/^….*Bye, Zelda\.?…?$/);
  });

  it.each([
    [
      'a script without spaces',
      '昨天天气很好。'.repeat(300) + '王小明住在成都。' + '昨天天气很好。'.repeat(300),
      '成都',
    ],
    ['Thai', 'วันนี้อากาศดี'.repeat(200) + 'น้องสาวอยู่ที่เชียงใหม่' + 'วันนี้อากาศดี'.repeat(200), 'เชียงใหม่'],
  ])('keeps to the budget in %s', (_name, text, query) => {
    const part = excerpt(text, queryTerms(query), 50);
    expect(part).toContain(query);
    expect(estimateTokens(part)).toBeLessThanOrEqual(50);
  });

  it('cuts what is one word, and no character in two', () => {
    for (const text of ['x'.repeat(5_000), '😀'.repeat(5_000), `a${'𝒳'.repeat(5_000)}`, '\u0301'.repeat(5_000)]) {
      const part = excerpt(text, [], 21);
      expect(estimateTokens(part)).toBeLessThanOrEqual(21);
      expect(part.length).toBeGreaterThan(5);
      expect(part.isWellFormed()).toBe(true);
    }
  });

  it('is an ellipsis where there is no room', () => {
    expect(excerpt(LONG, [], 1)).toBe('…');
  });
});
