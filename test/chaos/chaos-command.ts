import { parseArgs, type ParseArgsConfig } from 'node:util';
import { formatTable } from '../../bench/figures/report.js';
import { runScenario, type ScenarioResult } from './run-scenario.js';
import type { ChaosRun, Scenario } from './scenario.js';

export const USAGE = `Usage: npm run chaos -- [--seed N] [--only NAME,NAME] [--scale short|long] [--json]

Brings faults about against real programs and a real Redis, and looks whether what is promised still holds. The same
seed makes the same faults. Without --seed one is chosen, and told, so that the run can be repeated.
`;

export const ExitCode = { Held: 0, Violated: 1, WrongUsage: 2 } as const;

const SCALES = ['short', 'long'] as const;
const MAX_SEED = 2 ** 32 - 1;
// A scenario that goes wrong altogether names every message; the first few tell what is wrong.
const MAX_VIOLATIONS_SHOWN = 10;
const OPTIONS = {
  seed: { type: 'string' },
  only: { type: 'string' },
  scale: { type: 'string', default: 'long' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const satisfies ParseArgsConfig['options'];

export interface ChaosCommand {
  readonly seed: number;
  readonly scale: ChaosRun['scale'];
  readonly scenarios: readonly Scenario[];
  readonly json: boolean;
}

/** Where the command speaks: results to one place, what happens meanwhile to the other. */
export interface Output {
  print(text: string): void;
  note(text: string): void;
}

/** The command line says nothing that can be done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * @param randomSeed for a command line that names none
 * @throws UsageError
 */
export function readCommand(
  args: readonly string[],
  known: readonly Scenario[],
  randomSeed: () => number,
): ChaosCommand | 'help' {
  const values = parse(args);
  if (values.help) return 'help';
  return {
    seed: values.seed === undefined ? randomSeed() : readSeed(values.seed),
    scale: readScale(values.scale),
    scenarios: values.only === undefined ? known : readNames(values.only, known),
    json: values.json,
  };
}

/**
 * Runs the scenarios one after another and reports them.
 * @param machine what they run on, in words
 * @returns the exit code
 */
export async function runCommand(command: ChaosCommand, machine: string, output: Output): Promise<number> {
  const { seed, scale, scenarios } = command;
  output.note(`seed ${seed}, scale ${scale}\n`);
  const results: ScenarioResult[] = [];
  for (const scenario of scenarios) {
    output.note(`${scenario.name}: ${scenario.promise}\n`);
    const note = (text: string): void => {
      output.note(`${scenario.name}: ${text}\n`);
    };
    const result = await runScenario(scenario, { seed, scale, note });
    note(`${result.held ? 'held' : 'VIOLATED'} after ${result.seconds} s`);
    results.push(result);
  }
  const report = { seed, scale, machine, scenarios: results };
  output.print(command.json ? `${JSON.stringify(report)}\n` : describe(report));
  return results.every(({ held }) => held) ? ExitCode.Held : ExitCode.Violated;
}

interface Report {
  readonly seed: number;
  readonly scale: string;
  readonly machine: string;
  readonly scenarios: readonly ScenarioResult[];
}

function describe({ seed, scale, machine, scenarios }: Report): string {
  const rows = scenarios.map(({ name, held, seconds, promise }) => [
    name,
    held ? 'held' : 'VIOLATED',
    seconds,
    promise,
  ]);
  return [
    formatTable(['scenario', 'verdict', 'seconds', 'promise'], rows),
    '',
    ...scenarios.flatMap(describeFigures),
    ...scenarios.flatMap(describeViolations),
    `seed ${seed}, scale ${scale}; ${machine}`,
    '',
  ].join('\n');
}

function describeFigures({ name, figures }: ScenarioResult): string[] {
  const rows = Object.entries(figures);
  return rows.length === 0 ? [] : [formatTable([name, ''], rows), ''];
}

function describeViolations({ name, violations }: ScenarioResult): string[] {
  if (violations.length === 0) return [];
  const shown = violations.slice(0, MAX_VIOLATIONS_SHOWN).map((violation) => `  ${violation}`);
  const more = violations.length - shown.length;
  return [`${name} violated its promise:`, ...shown, ...(more > 0 ? [`  and ${more} more (--json has all)`] : []), ''];
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function readSeed(text: string): number {
  const seed = Number(text);
  if (text === '' || !Number.isInteger(seed) || seed < 0 || seed > MAX_SEED) {
    throw new UsageError(`--seed must be a whole number from 0 to ${MAX_SEED}.`);
  }
  return seed;
}

function readScale(text: string): ChaosRun['scale'] {
  const scale = SCALES.find((known) => known === text);
  if (scale === undefined) throw new UsageError(`--scale must be ${SCALES.join(' or ')}.`);
  return scale;
}

function readNames(text: string, known: readonly Scenario[]): Scenario[] {
  return text.split(',').map((name) => {
    const scenario = known.find((one) => one.name === name);
    if (scenario === undefined) {
      throw new UsageError(`There is no scenario "${name}"; there are ${known.map((one) => one.name).join(', ')}.`);
    }
    return scenario;
  });
}
