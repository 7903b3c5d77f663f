import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { documentedUserRules } from '../support/redis-user.js';

const root = resolve(import.meta.dirname, '../..');

/** The commands that scripts on the server call, which no test of a brain runs all of. */
function commandsOfScripts(): string[] {
  const sources = globSync('src/**/redis-*.ts', { cwd: root }).map((file) => readFileSync(join(root, file), 'utf8'));
  const names = sources.flatMap((text) => [...text.matchAll(/redis\.call\('(\w+)'/g)].map(([, name = '']) => name));
  return [...new Set(names.map((name) => name.toLowerCase()))].sort();
}

describe('The restricted user of docs/operations.md', () => {
  it('may do all that a script does', () => {
    const rules = documentedUserRules();
    const allowed = new Set(rules.filter((rule) => rule.startsWith('+')).map((rule) => rule.slice(1).split('|')[0]));
    const needed = commandsOfScripts();

    expect(needed.length).toBeGreaterThan(40);
    expect(needed.filter((name) => !allowed.has(name))).toEqual([]);
  });

  it('may do nothing else but by name', () => {
    const rules = documentedUserRules();

    expect(rules).toContain('-@all');
    expect(rules.filter((rule) => rule.startsWith('+@') || rule === '~*' || rule === 'allkeys')).toEqual([]);
    expect(new Set(rules).size).toBe(rules.length);
  });
});
