import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

// On a terminal the command shows its own progress; elsewhere a line at this distance says that it goes on.
const HEARTBEAT_MS = 15_000;
const KEPT_CHARACTERS = 4_000;

export interface NoisyCommand {
  /** What it does, for the person who waits. */
  readonly label: string;
  readonly command: readonly [string, ...string[]];
  readonly timeoutMs: number;
  readonly environment?: NodeJS.ProcessEnv;
}

/** Speaks to the person who waits. */
export type Say = (text: string) => void;

/** Runs a command that takes long, and says that it goes on. @throws Error with the end of what it wrote */
export async function runNoisily(
  { label, command: [program, ...args], timeoutMs, environment }: NoisyCommand,
  say: Say,
  signal: AbortSignal,
): Promise<string> {
  const startedAt = performance.now();
  const seconds = (): string => `${Math.round((performance.now() - startedAt) / 1_000)} s`;
  say(`${label} …`);
  const heartbeat = setInterval(() => {
    say(`${label}: ${seconds()}`);
  }, HEARTBEAT_MS);
  const child = spawn(program, args, {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', process.stderr.isTTY ? 'inherit' : 'pipe'],
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
    killSignal: 'SIGKILL',
  });
  const output = collect(child);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`${label}: ended with ${code}.\n${output().slice(-KEPT_CHARACTERS)}`);
  } finally {
    clearInterval(heartbeat);
  }
  say(`${label}: done after ${seconds()}`);
  return output();
}

function collect(child: ChildProcess): () => string {
  let written = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      written = (written + text).slice(-10 * KEPT_CHARACTERS);
    });
  }
  return () => written;
}
