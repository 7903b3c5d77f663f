import { parseArgs, type ParseArgsConfig } from 'node:util';
import { describeError } from '../../src/shared/index.js';

/** One command of `npm run eval -- NAME …`. */
export interface Evaluation {
  readonly name: string;
  /** What stands behind the name on the command line. */
  readonly usage: string;
  /** What it measures, in a line. */
  readonly about: string;
  /** Loads the code of this one alone. */
  readonly load: () => Promise<EvaluationRun>;
}

/**
 * Measures, prints the tables and, with `--json`, one object on the last line.
 * @param args what stands behind the name
 * @throws UsageError for arguments that it does not take
 */
export type EvaluationRun = (args: readonly string[]) => Promise<void>;

/** The command line is not what the program takes: the message says what is wrong with it. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError if the file is missing, with its name */
export function requireFile(positionals: readonly string[]): string {
  const [file, extra] = positionals;
  if (file === undefined) throw new UsageError('Name the file with the data.');
  if (extra !== undefined) throw new UsageError(`One file is read at a time; "${extra}" is one too many.`);
  return file;
}

/** The evaluation of that name. @throws UsageError that lists them all */
export function findEvaluation(all: readonly Evaluation[], name: string | undefined): Evaluation {
  const found = all.find((evaluation) => evaluation.name === name);
  if (found) return found;
  const wrong = name === undefined ? 'Name an evaluation.' : `There is no evaluation "${name}".`;
  throw new UsageError(`${wrong}\n\n${describeEvaluations(all)}`);
}

/** How each is called, and what it measures. */
export function describeEvaluations(all: readonly Evaluation[]): string {
  const lines = all.flatMap(({ name, usage, about }) => [
    `  npm run eval -- ${`${name} ${usage}`.trim()}`,
    `      ${about}`,
  ]);
  return ['Usage:', ...lines].join('\n');
}

/** The options and files of a command line. @throws UsageError for an option that is not among `options` */
export function readArguments<T extends NonNullable<ParseArgsConfig['options']>>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    throw new UsageError(describeError(error));
  }
}
