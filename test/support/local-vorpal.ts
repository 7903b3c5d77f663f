import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';

export interface RunningVorpal {
  readonly url: string;
  readonly process: ChildProcess;
  /** What it has written so far, both streams. */
  readonly output: () => string;
  /** Asks it to leave as its supervisor would; resolves with its exit code. */
  stop(): Promise<number | null>;
  /** Ends it without a word, as `kill -9` does. */
  kill(): Promise<void>;
}

export interface StartOptions {
  /** `child`: with an IPC channel, as the brain starts it. `standalone`: as `npm run vorpal` does. */
  readonly mode?: 'child' | 'standalone';
  /** Whether to wait until both models are loaded. */
  readonly untilReady?: boolean;
}

const PROGRAM = 'packages/local-vorpal/dist/main.js';
/** A first run may have to fetch the models. */
const READY_TIMEOUT_MS = 300_000;

/** Starts the built program on a free port, with its models from the usual cache. */
export async function startLocalVorpal(
  environment: NodeJS.ProcessEnv = {},
  { mode = 'child', untilReady = true }: StartOptions = {},
): Promise<RunningVorpal> {
  const child = spawn(process.execPath, [PROGRAM], {
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      LOCAL_VORPAL_PORT: '0',
      // Its threads wait for each other spinning; beside other test files two are up to ten times slower than one.
      LOCAL_VORPAL_THREADS: '1',
      LOG_FORMAT: 'text',
      // Of a stricter level than the line that says where it listens nobody would learn the address.
      LOG_LEVEL: 'log',
      ...environment,
    },
    stdio: mode === 'child' ? ['ignore', 'pipe', 'pipe', 'ipc'] : ['ignore', 'pipe', 'pipe'],
  });
  let written = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      written += text;
      child.emit('written');
    });
  }
  const output = (): string => written;
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const failed = exited.then((code) => {
    throw new Error(`The local Vorpal ended with ${code} before it listened:\n${written}`);
  });
  const url = await Promise.race([mode === 'child' ? announcedUrl(child) : loggedUrl(child, output), failed]);
  failed.catch(() => undefined);
  if (untilReady) await waitUntilReady(url, output);

  return {
    url,
    process: child,
    output,
    stop: async () => {
      if (child.connected) child.send({ type: 'shutdown' });
      else child.kill('SIGTERM');
      return exited;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function announcedUrl(child: ChildProcess): Promise<string> {
  const [message] = (await once(child, 'message')) as [{ type: string; url: string }];
  return message.url;
}

async function loggedUrl(child: ChildProcess, output: () => string): Promise<string> {
  for (;;) {
    const url = /Listening on (http:\S+)/.exec(output())?.[1];
    if (url !== undefined) return url;
    await once(child, 'written');
  }
}

async function waitUntilReady(url: string, output: () => string): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const { status } = await fetch(`${url}/health`);
    if (status === 200) return;
    if (Date.now() > deadline) throw new Error(`The local Vorpal is not ready:\n${output()}`);
    await delay(100);
  }
}
