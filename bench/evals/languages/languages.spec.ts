import { fileURLToPath } from 'node:url';
import { ASKED_IN, findAll, readSayings } from './languages.js';

const SAYINGS = readSayings(fileURLToPath(new URL('../../data/languages.jsonl', import.meta.url)));

describe('the sayings of `eval -- languages`', () => {
  it('are forty, in more than ten languages, each asked for in its own and in another', () => {
    expect(new Set(SAYINGS.map(({ fact }) => fact)).size).toBe(40);
    expect(new Set(SAYINGS.map(({ language }) => language)).size).toBeGreaterThan(10);
    expect(SAYINGS.filter((saying) => saying.language === saying.cross_language)).toEqual([]);
  });
});

describe(findAll.name, () => {
  it('takes the fact for the evidence of its question', async () => {
    const asked: string[] = [];
    const findings = await findAll(SAYINGS.slice(0, 2), 'cross', (question) => {
      asked.push(question);
      return Promise.resolve([SAYINGS[1]!.fact]);
    });
    expect(asked).toEqual(SAYINGS.slice(0, 2).map(({ cross }) => cross));
    expect(findings.map(({ evidence, found }) => evidence[0] === found[0])).toEqual([false, true]);
    expect(ASKED_IN).toContain(findings[0]!.category);
  });
});
