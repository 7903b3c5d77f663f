import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { promisify } from 'node:util';
// Not through the door of the room: `npm run chaos` runs this file where modules with decorators cannot be loaded.
import { readSettings } from '../../packages/local-vorpal/src/settings.js';
import { describeError, sleep } from '../../src/shared/index.js';
import { debianRedis } from './debian-redis.js';

/** A program, and what stands before its own arguments. */
export type Command = readonly [string, ...string[]];

export const OLDEST_MAJOR_VERSION = 8;
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
const VERSION_TIMEOUT_MS = 5_000;

const execute = promisify(execFile);

/** A process of Redis' server program, which serves as Sentinel, too. It does not outlive the tests. */
export class RedisProcess {
  private child: ChildProcess | undefined;
  private guard: ChildProcess | undefined;

  /** `directory` goes with the process where the tests end without having ended it. */
  constructor(
    private readonly command: Command,
    private readonly directory: string,
    private readonly readyText = 'Ready to accept connections',
  ) {}

  /** Resolves when it is ready. */
  async start(args: readonly string[]): Promise<void> {
    const [program, ...before] = this.command;
    const child = spawn(program, [...before, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.guard = guardAgainstOrphans(child, this.directory);
    try {
      await untilSaid(child, this.readyText);
    } catch (error) {
      await this.end('SIGKILL');
      throw error;
    }
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    this.guard?.kill();
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(late);
  }
}

/**
 * The command that starts a Redis of version 8 or newer: `redis-server` on the path, or the one of Debian's packages.
 * @throws Error that says what to do, so that tests without a Redis fail and are not skipped
 */
export async function findServer(): Promise<Command> {
  const onPath = await versionOf(['redis-server']);
  if (onPath !== undefined && majorOf(onPath) >= OLDEST_MAJOR_VERSION) return ['redis-server'];
  try {
    return await debianRedis(readSettings(process.env).models.cacheDir);
  } catch (error) {
    const found = onPath === undefined ? 'there is no redis-server on the path' : `redis-server is ${onPath}`;
    throw new Error(
      `These tests need Redis ${OLDEST_MAJOR_VERSION} or newer. Set TEST_REDIS_URL to one, or install one so that ` +
        `redis-server is on the path. Here ${found}, and Debian's packages could not be used: ${describe(error)}.`,
      { cause: error },
    );
  }
}

/** What apt said before it failed tells more than that it failed. */
function describe(error: unknown): string {
  const { stderr = '' } = error as { stderr?: string };
  const errors = stderr.split('\n').filter((line) => line.startsWith('E:'));
  return errors.length > 0 ? errors.slice(0, 2).join(' ') : describeError(error);
}

async function versionOf([program, ...args]: Command): Promise<string | undefined> {
  try {
    const { stdout } = await execute(program, [...args, '--version'], { timeout: VERSION_TIMEOUT_MS });
    return /\bv=(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    // Not there, or not one that runs: either way another has to be found.
    return undefined;
  }
}

export const majorOf = (version: string): number => Number(version.split('.')[0]);

async function untilSaid(child: ChildProcess, readyText: string): Promise<void> {
  const said: string[] = [];
  const deadline = new AbortController();
  const ready = new Promise<void>((resolve, reject) => {
    const fail = (reason: string): void => {
      reject(new Error(`redis-server ${reason}: ${said.slice(-5).join(' ')}`));
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said.push(text.trim());
        if (text.includes(readyText)) resolve();
      });
    }
    child.once('error', reject);
    child.once('close', () => {
      fail('ended');
    });
    void sleep(START_TIMEOUT_MS, deadline.signal).then((late) => {
      if (late) fail(`was not ready within ${START_TIMEOUT_MS} ms`);
    });
  });
  await ready.finally(() => {
    deadline.abort();
  });
}

/**
 * A shell that ends the server and its folder when this process ends without having done so, even by `kill -9`: its
 * standard input closes then.
 */
function guardAgainstOrphans(server: ChildProcess, directory: string): ChildProcess {
  const script = 'cat > /dev/null; kill -9 "$1"; rm -rf "$2"';
  const guard = spawn('sh', ['-c', script, 'sh', String(server.pid), directory], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  guard.unref();
  (guard.stdin as Socket).unref();
  return guard;
}
