import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { hasErrorCode } from '../files/error-code.js';
import { ModelSourceError } from '../models.errors.js';

/** How to call pip, first the likeliest. The last form lets uv, which has no `download` of its own, run pip. */
export const PIP_COMMANDS: readonly (readonly string[])[] = [
  ['python3', '-m', 'pip'],
  ['python', '-m', 'pip'],
  ['pip3'],
  ['pip'],
  ['uv', 'tool', 'run', 'pip'],
];

// Asking for the version is local work, but a cold disk can make Python slow to start.
const PROBE_TIMEOUT_MS = 20_000;
// A child that ignores SIGTERM must not hold up the process that is stopping.
const KILL_AFTER_MS = 2_000;
// The end of the output says what went wrong; a chatty pip must not fill the memory.
const OUTPUT_MAX_CHARACTERS = 16_384;
const NOT_FOUND_BY_ENV = 127;

export interface CommandResult {
  readonly exitCode: number;
  /** The end of stdout and stderr together. */
  readonly output: string;
}

/**
 * The first pip that answers.
 * @throws ModelSourceError that names those tried
 */
export async function findPip(
  commands: readonly (readonly string[])[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  for (const command of commands) {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]);
    const works = await run([...command, '--version'], {}, limit).then(
      ({ exitCode }) => exitCode === 0,
      () => false,
    );
    signal.throwIfAborted();
    if (works) return command;
  }
  const names = commands.map((command) => command.join(' ')).join(', ');
  throw new ModelSourceError(`it needs pip, which was not found (tried ${names}); install Python 3 with pip`);
}

/**
 * Runs a command to its end with `variables` added to the inherited environment. Aborting ends it, children included.
 * @throws the signal's reason once aborted
 */
export async function run(
  command: readonly string[],
  variables: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<CommandResult> {
  signal.throwIfAborted();
  const assignments = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  // Through env(1), so that the environment is inherited without being read here.
  const child = spawn('env', [...assignments, ...command], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own: what the command starts can then be ended with it.
    detached: true,
  });
  const output = collectOutput(child);
  const endGroup = (): void => {
    killGroup(child, 'SIGTERM');
    setTimeout(() => {
      killGroup(child, 'SIGKILL');
    }, KILL_AFTER_MS).unref();
  };
  const endWithUs = (): void => {
    killGroup(child, 'SIGKILL');
  };
  signal.addEventListener('abort', endGroup, { once: true });
  process.once('exit', endWithUs);
  try {
    const [exitCode] = (await once(child, 'close')) as [number | null];
    signal.throwIfAborted();
    if (exitCode === NOT_FOUND_BY_ENV) throw new ModelSourceError(`${command[0] ?? ''} is not installed`);
    return { exitCode: exitCode ?? -1, output: output() };
  } finally {
    signal.removeEventListener('abort', endGroup);
    process.off('exit', endWithUs);
  }
}

function collectOutput(child: ChildProcess): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (chunk: string) => (text = (text + chunk).slice(-OUTPUT_MAX_CHARACTERS)));
  }
  return () => text;
}

function killGroup({ pid, exitCode, signalCode }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // It ended by itself in between.
    if (!hasErrorCode(error, 'ESRCH')) throw error;
  }
}

/** The lines of pip's output that say why it failed, without credentials that an index address may carry. */
export function describePipFailure({ exitCode, output }: CommandResult): string {
  const lines = output
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const errors = lines.filter((line) => /^(ERROR|error)\b/.test(line));
  const telling = (errors.length > 0 ? errors.slice(-2) : lines.slice(-2)).join(' ');
  const safe = telling.replaceAll(/\/\/[^\s/@]+@/g, '//***@').slice(0, 400);
  // pip then only says that there is no such version, which would send the reader after the wrong cause.
  const unreachable = lines.some((line) => line.includes('after connection broken by'));
  if (unreachable) return `its index cannot be reached (pip ended with ${exitCode}: ${safe})`;
  return `pip ended with ${exitCode}${safe === '' ? '' : `: ${safe}`}`;
}
