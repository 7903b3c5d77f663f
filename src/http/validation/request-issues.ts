import type { Problem } from '../problem/problem.js';

/** What a schema finds wrong, as zod tells it. */
export interface RequestIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
  /** Names of fields that the schema does not know. */
  readonly keys?: readonly string[];
}

// A body of a megabyte may hold as many faults as fields; an answer that tells all of them would be larger than it.
const MAX_ISSUES = 20;
const MAX_NAMES = 10;
const MAX_NAME_CHARACTERS = 64;
const MAX_MESSAGE_CHARACTERS = 300;

/** What is wrong where: the first {@link MAX_ISSUES}, and how many there are besides. */
export function describeIssues(issues: readonly RequestIssue[]): NonNullable<Problem['errors']> {
  const told = issues.slice(0, MAX_ISSUES).map(describeIssue);
  const others = issues.length - told.length;
  return others === 0 ? told : [...told, { path: '', message: `and ${others} more` }];
}

/** One thing that is wrong, in bounded length whatever the client sent. */
export function describeIssue({ message, path = [], keys }: RequestIssue): { path: string; message: string } {
  const names = path.map((segment) =>
    cut(String(typeof segment === 'object' ? segment.key : segment), MAX_NAME_CHARACTERS),
  );
  return {
    path: cut(names.join('.'), MAX_MESSAGE_CHARACTERS),
    message: keys === undefined ? cut(message, MAX_MESSAGE_CHARACTERS) : unknownFields(keys),
  };
}

function unknownFields(keys: readonly string[]): string {
  const names = keys.slice(0, MAX_NAMES).map((key) => JSON.stringify(cut(key, MAX_NAME_CHARACTERS)));
  const others = keys.length - names.length;
  const more = others === 0 ? '' : ` and ${others} more`;
  return `Unrecognized ${keys.length === 1 ? 'key' : 'keys'}: ${names.join(', ')}${more}`;
}

const cut = (text: string, maxCharacters: number): string =>
  text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters).toWellFormed()}…`;
