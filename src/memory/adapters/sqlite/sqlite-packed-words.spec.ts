import { randomBytes } from 'node:crypto';
import { contextIn, packWords, termsIn } from './sqlite-packed-words.js';

const OF_BEFORE = { context: '', terms: null };

describe('packed words', () => {
  it.each([
    ['few words', 'I drink green tea.', 'What do you drink?'],
    ['no context', 'I drink green tea.', ''],
    ['lines and control characters', 'a\nb', 'first\n\u0000second\n'],
    ['other scripts', 'ฉันดื่มชา 🍵', 'お茶が好きです。\n👩‍👩‍👧'],
    ['more text than the window', randomBytes(30_000).toString('hex'), randomBytes(400).toString('hex')],
  ])('are as they were: %s', (_, text, context) => {
    const terms = new Map(
      [...text.split(/\s/u), ...context.split(/\s/u)].filter(Boolean).map((term, i) => [term, i + 1]),
    );

    const words = packWords(text, context, terms);

    expect(contextIn({ ...OF_BEFORE, text, words })).toBe(context);
    expect(termsIn({ ...OF_BEFORE, text, words })).toEqual(terms);
  });

  it('take less than their context by itself', () => {
    const context = 'Have you been to the market already?\nYes, I went there with Ana on Friday, and it was closed.';
    const text = 'Then we go to the market on Saturday, Ana and I.';
    const terms = ['market', 'saturdai', 'ana', 'fridai', '27', 'novemb', '2026', 'went', 'close'];

    const { length } = packWords(text, context, new Map(terms.map((term) => [term, 1])));

    expect(length).toBeLessThan(context.length);
  });

  it('that are damaged are no context and no terms', () => {
    const damaged = { text: 'tea', words: Buffer.from('no deflated bytes') };

    expect(contextIn({ ...OF_BEFORE, ...damaged })).toBe('');
    expect(termsIn({ ...OF_BEFORE, ...damaged })).toBeUndefined();
  });
});
