import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isChange, readChangePairs, unpairedOf } from './change-pairs.js';

const PAIRS = 'test/fixtures/changes/pairs.jsonl';

describe(readChangePairs.name, () => {
  const pairs = readChangePairs(PAIRS);

  it('reads pairs of all kinds, each text with another and no pair twice', () => {
    expect(pairs.length).toBeGreaterThanOrEqual(300);
    expect(new Set(pairs.map(({ before, after }) => `${before}\n${after}`)).size).toBe(pairs.length);
    expect(new Set(pairs.map(({ kind }) => kind)).size).toBe(6);
    expect(new Set(pairs.map(({ language }) => language)).size).toBeGreaterThanOrEqual(8);
  });

  it('finds as many changes in the part that is fitted as in the one that is reported', () => {
    const changesIn = (wanted: string) => pairs.filter((pair) => pair.part === wanted && isChange(pair)).length;
    expect(Math.abs(changesIn('fit') - changesIn('report'))).toBeLessThan(3);
  });

  it('names the line that is no pair', () => {
    const folder = mkdtempSync(join(tmpdir(), 'pairs-'));
    const file = join(folder, 'pairs.jsonl');
    writeFileSync(file, '{"before":"a","after":"b","kind":"update"}\n\n{"before":"a","kind":"update"}\n');
    expect(() => readChangePairs(file)).toThrow(`${file}, line 3: not a pair`);
    rmSync(folder, { recursive: true });
  });
});

describe(unpairedOf.name, () => {
  it('puts no text beside its own, and stays within language and part', () => {
    const pairs = readChangePairs(PAIRS);
    const own = new Map(pairs.map((pair) => [pair.after, pair]));
    const unpaired = unpairedOf(pairs);
    expect(unpaired).toHaveLength(pairs.length);
    for (const { before, after, language, part } of unpaired) {
      expect(own.get(after)!.before).not.toBe(before);
      expect(pairs.some((pair) => pair.before === before && pair.language === language && pair.part === part)).toBe(
        true,
      );
    }
  });
});
