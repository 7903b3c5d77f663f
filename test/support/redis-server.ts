import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { newId } from '../../src/shared/index.js';
import { freePort } from './free-port.js';
import { OutageProxy } from './outage-proxy.js';
import { type Command, findServer, majorOf, OLDEST_MAJOR_VERSION, RedisProcess } from './redis-process.js';
import type { TlsFiles } from './tls-files.js';

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
  /** Has it speak TLS and nothing else. */
  readonly tls?: TlsFiles;
}

const ASK_TIMEOUT_MS = 5_000;
// Between choosing a free port and binding it, another process can take it.
const START_ATTEMPTS = 3;

/**
 * A Redis of version 8 or newer: the one that `TEST_REDIS_URL` names, else a private one with an append-only file, from
 * a `redis-server` on the path or from Debian's packages.
 * @throws Error that says what to do, so that tests without a Redis fail and are not skipped
 */
export async function startRedis({ config, tls }: RedisOptions = {}): Promise<RedisServer> {
  const { TEST_REDIS_URL: given = '' } = process.env;
  if (given !== '' && config === undefined && tls === undefined) return sharedRedis(given);
  const command = await findServer();
  for (let attempt = 1; ; attempt++) {
    const directory = await mkdtemp(join(tmpdir(), 'redis-'));
    const server = new PrivateRedis(command, await freePort(), directory, config ?? {}, tls);
    try {
      await server.start();
      return server;
    } catch (error) {
      await rm(directory, { recursive: true, force: true });
      if (attempt >= START_ATTEMPTS || !String(error).includes('Address already in use')) throw error;
    }
  }
}

async function askVersion(url: string, tls?: TlsFiles, password?: string): Promise<string> {
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: ASK_TIMEOUT_MS,
    retryStrategy: () => null,
    ...(tls && { tls: { ca: tls.authority } }),
    ...(password !== undefined && { password }),
  });
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
  private readonly process: RedisProcess;

  constructor(
    command: Command,
    private readonly port: number,
    private readonly directory: string,
    private readonly config: Readonly<Record<string, string>>,
    private readonly tls?: TlsFiles,
  ) {
    this.url = `${tls ? 'rediss' : 'redis'}://127.0.0.1:${port}`;
    this.process = new RedisProcess(command, directory);
  }

  async start(): Promise<void> {
    await this.process.start(this.directives());
    try {
      this.version = await askVersion(this.url, this.tls, this.config.requirepass);
    } catch (error) {
      await this.kill();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await this.process.end('SIGTERM');
    await rm(this.directory, { recursive: true, force: true });
  }

  async kill(): Promise<void> {
    await this.process.end('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.process.end('SIGTERM');
    await this.start();
  }

  private directives(): string[] {
    const directives = {
      ...this.ports(),
      bind: '127.0.0.1',
      dir: this.directory,
      save: '',
      appendonly: 'yes',
      // With the default a server holds acknowledged writes back while its disk syncs, and loses them when it is
      // killed.
      appendfsync: 'always',
      ...this.config,
    };
    return Object.entries(directives).flatMap(([name, value]) => [`--${name}`, value]);
  }

  private ports(): Record<string, string> {
    if (this.tls === undefined) return { port: String(this.port) };
    return {
      port: '0',
      'tls-port': String(this.port),
      'tls-cert-file': this.tls.certificateFile,
      'tls-key-file': this.tls.keyFile,
      'tls-ca-cert-file': this.tls.authorityFile,
      'tls-auth-clients': 'no',
    };
  }
}
