import { fileURLToPath } from 'node:url';
import { distractorsOf, namesAnswer, readFacts } from './answers.js';

const FACTS = readFacts(fileURLToPath(new URL('../../data/answers.jsonl', import.meta.url)));

describe('the facts of `eval -- answers`', () => {
  it('are a hundred, each question answered by its fact, not by itself, and by no other fact', () => {
    expect(FACTS).toHaveLength(100);
    for (const asked of FACTS) {
      expect(namesAnswer(asked.question, asked.answers)).toBe(false);
      expect(FACTS.filter(({ fact }) => namesAnswer(fact, asked.answers))).toEqual([asked]);
    }
  });

  it('stand beside others of their user, each once', () => {
    const others = distractorsOf(FACTS, 99, 7);
    expect(new Set(others).size).toBe(7);
    expect(others).not.toContain(FACTS[99]);
  });
});

describe(namesAnswer.name, () => {
  it('finds whole words in any case, and stems where told to', () => {
    expect(namesAnswer('It is BISCUIT!', ['Biscuit'])).toBe(true);
    expect(namesAnswer('He lives on a houseboat.', ['oat'])).toBe(false);
    expect(namesAnswer('At 16:40.', ['6:40'])).toBe(false);
    expect(namesAnswer('To walnuts.', ['walnut*'])).toBe(true);
    expect(namesAnswer('To walnuts.', ['walnut'])).toBe(false);
  });
});
