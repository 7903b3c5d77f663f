import { indexMemory } from './indexed-memory.js';
import { contextTail, memoryTerms } from '../search/lexical-text.js';
import { newMemory } from './new-memory.js';
import { textDigest } from './text-digest.js';

describe(indexMemory.name, () => {
  const vector = Float32Array.of(1, 0);
  const said = (text: string, context = '') => newMemory('ada', { text, context });

  it('gives a memory the terms of its text, date and context, and the digest of its text', () => {
    const content = said('It leaves at 10:15.', 'When does the train to Bern leave?');
    const { memory, terms, digest, vector: kept } = indexMemory(content, vector);
    expect(memory).toEqual(content);
    expect(terms).toEqual(memoryTerms(content));
    expect(terms).toEqual(expect.arrayContaining(['10:15', 'bern']));
    expect(digest).toBe(textDigest(content));
    expect(kept).toBe(vector);
  });

  it.each([
    ['Where do I live?', true],
    ['I live in Bern.', false],
  ])('knows whether it only asks, whatever it was told: %s', (text, isQuestion) => {
    const told = { ...said(text), isQuestion: !isQuestion };
    expect(indexMemory(told, vector).memory.isQuestion).toBe(isQuestion);
  });

  it('keeps the end of the context alone, and not less when it is indexed once more', () => {
    const context = Array.from({ length: 200 }, (_, index) => `word${index}`).join(' ');
    const once = indexMemory(said('Yes, that one.', context), vector);
    expect(once.memory.context).toBe(contextTail('Yes, that one.', context));
    expect(once.memory.context).toMatch(/word199$/);
    expect(once.memory.context).not.toMatch(/^word0 /);
    expect(indexMemory(once.memory, vector)).toEqual(once);
  });
});
