import type { z } from 'zod';
import { BrainError } from '../errors.js';

/** The environment does not describe a program that can start. The message lists everything that is wrong. */
export class SettingsError extends BrainError {
  readonly code = 'CONFIG_INVALID';
  readonly httpStatus = 500;
}

/**
 * The environment variables that `schema` names, checked. An empty value counts as not set, because compose files pass
 * `NAME=` for variables nobody gave. The values of secrets never appear in the message.
 * @throws SettingsError with one line per wrong variable
 */
export function readVariables<T extends z.ZodType>(schema: T, environment: NodeJS.ProcessEnv): z.output<T> {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  const result = schema.safeParse(given);
  if (!result.success) throw new SettingsError(describeProblems(result.error));
  return result.data;
}

function describeProblems(error: z.ZodError): string {
  const lines = error.issues.map((issue) => `  ${String(issue.path[0])}: ${issue.message}`);
  const what = lines.length === 1 ? 'One setting is wrong' : `${lines.length} settings are wrong`;
  return `${what}; docs/configuration.md describes them all.\n${lines.join('\n')}`;
}

export type DeepReadonly<T> = T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** Settings are read once; nothing changes them afterwards. @returns `value` itself */
export function deepFreeze<T>(value: T): DeepReadonly<T> {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value as DeepReadonly<T>;
}
