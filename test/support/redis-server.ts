import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { readSettings } from '../../src/config/index.js';
import { describeError, newId, sleep } from '../../src/shared/index.js';
import { debianRedis } from './debian-redis.js';
import { freePort } from './free-port.js';
import { OutageProxy } from './outage-proxy.js';

export interface RedisServer {
  readonly url: string;
  readonly version: string;
  /** For the keys of one test: the server may be shared with others. */
  readonly keyPrefix: string;
  /** Ends it in order. A server of the tests' own loses its data. */
  stop(): Promise<void>;
  /** Takes it away at once, as a crash would; `restart` brings it back on the same port with its data. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

export interface RedisOptions {
  /** Further directives: `{ 'maxmemory-policy': 'allkeys-lru' }`. They need a server of the tests' own. */
  readonly config?: Readonly<Record<string, string>>;
}

type Command = readonly [string, ...string[]];

const OLDEST_MAJOR_VERSION = 8;
const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
// Between choosing a free port and binding it, another process can take it.
const START_ATTEMPTS = 3;

const execute = promisify(execFile);

/**
 * A Redis of version 8 or newer: the one that `TEST_REDIS_URL` names, else a private one with an append-only file, from
 * a `redis-server` on the path or from Debian's packages.
 * @throws Error that says what to do, so that tests without a Redis fail and are not skipped
 */
export async function startRedis({ config }: RedisOptions = {}): Promise<RedisServer> {
  const { TEST_REDIS_URL: given = '' } = process.env;
  if (given !== '' && config === undefined) return sharedRedis(given);
  const command = await findServer();
  for (let attempt = 1; ; attempt++) {
    const directory = await mkdtemp(join(tmpdir(), 'redis-'));
    const server = new PrivateRedis(command, await freePort(), directory, config ?? {});
    try {
      await server.start();
      return server;
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      if (attempt >= START_ATTEMPTS || !String(error).includes('Address already in use')) throw error;
    }
  }
}

async function findServer(): Promise<Command> {
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
    const { stdout } = await execute(program, [...args, '--version'], { timeout: STOP_TIMEOUT_MS });
    return /\bv=(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch {
    // Not there, or not one that runs: either way another has to be found.
    return undefined;
  }
}

const majorOf = (version: string): number => Number(version.split('.')[0]);

async function askVersion(url: string): Promise<string> {
  const client = new Redis(url, { lazyConnect: true, connectTimeout: STOP_TIMEOUT_MS, retryStrategy: () => null });
  // Without a listener ioredis prints what `connect` throws anyway.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return /^redis_version:(\S+)/m.exec(await client.info('server'))?.[1] ?? 'unknown';
  } finally {
    client.disconnect();
  }
}

/** A server that others run. Its outages happen in a proxy before it. */
async function sharedRedis(given: string): Promise<RedisServer> {
  const target = new URL(given);
  const version = await askVersion(given);
  if (!(majorOf(version) >= OLDEST_MAJOR_VERSION)) {
    throw new Error(`TEST_REDIS_URL names a Redis ${version}; the tests need ${OLDEST_MAJOR_VERSION} or newer.`);
  }
  if (target.protocol !== 'redis:') throw new Error('TEST_REDIS_URL must be a redis:// address (no TLS).');
  const proxy = await OutageProxy.to(target.hostname, Number(target.port || 6379));
  target.host = proxy.address;
  return {
    url: target.href,
    version,
    keyPrefix: `test-${newId()}:`,
    stop: () => proxy.close(),
    kill: () => proxy.close(),
    restart: async () => {
      await proxy.close();
      await proxy.open();
    },
  };
}

class PrivateRedis implements RedisServer {
  readonly url: string;
  readonly keyPrefix = `test-${newId()}:`;
  version = 'unknown';
  private child: ChildProcess | undefined;
  private guard: ChildProcess | undefined;

  constructor(
    private readonly command: Command,
    private readonly port: number,
    private readonly directory: string,
    private readonly config: Readonly<Record<string, string>>,
  ) {
    this.url = `redis://127.0.0.1:${port}`;
  }

  async start(): Promise<void> {
    const [program, ...args] = this.command;
    const child = spawn(program, [...args, ...this.directives()], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    this.guard = guardAgainstOrphans(child, this.directory);
    try {
      await untilReady(child);
      this.version = await askVersion(this.url);
    } catch (error) {
      await this.end('SIGKILL');
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
    await rm(this.directory, { recursive: true, force: true });
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.end('SIGTERM');
    await this.start();
  }

  private directives(): string[] {
    const directives = {
      port: String(this.port),
      bind: '127.0.0.1',
      dir: this.directory,
      save: '',
      appendonly: 'yes',
      // With the default a server holds acknowledged writes back while its disk syncs, and loses them when it is killed.
      appendfsync: 'always',
      ...this.config,
    };
    return Object.entries(directives).flatMap(([name, value]) => [`--${name}`, value]);
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
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

async function untilReady(child: ChildProcess): Promise<void> {
  const said: string[] = [];
  const deadline = new AbortController();
  const ready = new Promise<void>((resolve, reject) => {
    const fail = (reason: string): void => {
      reject(new Error(`redis-server ${reason}: ${said.slice(-5).join(' ')}`));
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said.push(text.trim());
        if (text.includes('Ready to accept connections')) resolve();
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
