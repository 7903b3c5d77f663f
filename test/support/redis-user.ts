import { readFileSync } from 'node:fs';

const PAGE = new URL('../../docs/operations.md', import.meta.url);

/** The rules of the restricted user, as `docs/operations.md` gives them to operators: `['on', '>PASSWORD', …]`. */
export function documentedUserRules(): string[] {
  const [, rules] = /```\nredis-cli ACL SETUSER brain ([^`]*)```/.exec(readFileSync(PAGE, 'utf8')) ?? [];
  if (rules === undefined) throw new Error('docs/operations.md has no rules for a user of Redis.');
  return rules.split(/[\s\\]+/).flatMap((rule) => (rule === '' ? [] : [rule.replaceAll("'", '')]));
}
