import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from './free-port.js';
import { findServer, RedisProcess } from './redis-process.js';
import { type RedisServer, startRedis } from './redis-server.js';
import type { TlsFiles } from './tls-files.js';
import { untilServed } from './until.js';

const SENTINELS = 3;
const QUORUM = 2;
const MASTER_NAME = 'brain-data';
// Not longer than a test can wait, not so short that a busy machine is taken for a dead one.
const DOWN_AFTER_MS = 3_000;
// What has a meaning in an address and in the arguments of a program.
const DATA_PASSWORD = 'd@ta:pa/ss%';
const SENTINEL_PASSWORD = 'gu@rd';
// As docs/operations.md has it.
const SENTINEL_USER = 'brain';
const SENTINEL_USER_RULES =
  'resetchannels &+switch-master -@all +sentinel|get-master-addr-by-name +sentinel|sentinels +subscribe';

// Longer than the failover takes on a busy machine.
const PAUSE_MS = 30_000;

interface Sentinel {
  readonly port: number;
  readonly process: RedisProcess;
  readonly directory: string;
}

/** A server with a replica, and three Sentinels that look after them; both kinds ask for a password. */
export class SentinelGroup {
  private readonly sentinels: Sentinel[] = [];

  private constructor(
    private readonly servers: readonly [RedisServer, RedisServer],
    private readonly tls: TlsFiles | undefined,
  ) {}

  /** With `tls` all of them speak that and nothing else. */
  static async start(tls?: TlsFiles): Promise<SentinelGroup> {
    const config = {
      requirepass: DATA_PASSWORD,
      masterauth: DATA_PASSWORD,
      'repl-diskless-sync-delay': '0',
      ...(tls && { 'tls-replication': 'yes' }),
    };
    const secure = tls && { tls };
    const first = await startRedis({ config, ...secure });
    const second = await startRedis({ config: { ...config, replicaof: `127.0.0.1 ${portOf(first)}` }, ...secure });
    const group = new SentinelGroup([first, second], tls);
    try {
      for (let index = 0; index < SENTINELS; index++) await group.startSentinel(portOf(first));
      await group.untilReady();
      return group;
    } catch (error) {
      await group.stop();
      throw error;
    }
  }

  get environment(): NodeJS.ProcessEnv {
    const hosts = this.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',');
    return {
      REDIS_URL: `${this.tls ? 'rediss' : 'redis'}://:${encodeURIComponent(DATA_PASSWORD)}@${hosts}`,
      REDIS_TOPOLOGY: 'sentinel',
      REDIS_SENTINEL_MASTER: MASTER_NAME,
      REDIS_SENTINEL_USERNAME: SENTINEL_USER,
      REDIS_SENTINEL_PASSWORD: SENTINEL_PASSWORD,
    };
  }

  /** The server that the Sentinels name. */
  async master(): Promise<RedisServer> {
    const port = await this.ask((sentinel) => sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME));
    return this.servers.find((server) => portOf(server) === Number((port as string[])[1]))!;
  }

  /** Resolves when the replica has all that was written up to now. */
  async untilReplicated(): Promise<void> {
    const master = await this.master();
    await untilServed(
      () => this.onServer(master, async (client) => (await client.wait(1, 1_000)) === 1),
      'the replica has what the master has',
    );
  }

  /** Resolves when the Sentinels have made `server` the master, and it takes writes. */
  async untilPromoted(server: RedisServer): Promise<void> {
    await untilServed(async () => (await this.master()) === server, 'the Sentinels name the new master');
    await untilServed(async () => (await this.roleOf(server)) === 'master', 'it knows it');
  }

  /** Resolves when `server` follows the other one. */
  async untilFollowing(server: RedisServer): Promise<void> {
    await untilServed(
      () =>
        this.onServer(server, async (client) => {
          const info = await client.info('replication');
          return info.includes('role:slave') && info.includes('master_link_status:up');
        }),
      'it follows the new master',
    );
  }

  /**
   * Has master and replica change places while both are well, as docs/operations.md says it: writes are held back,
   * because a master that is replaced goes on taking them until it is told, and loses them then.
   */
  async switchOver(): Promise<void> {
    const master = await this.master();
    await this.onServer(master, (client) => client.call('CLIENT', 'PAUSE', PAUSE_MS, 'WRITE'));
    await this.untilReplicated();
    await untilServed(async () => {
      // Refused as long as it has not looked at the replica since that came back.
      return (await this.ask((sentinel) => sentinel.call('SENTINEL', 'FAILOVER', MASTER_NAME))) === 'OK';
    }, 'the Sentinels find a replica good enough');
  }

  other(server: RedisServer): RedisServer {
    return this.servers[0] === server ? this.servers[1] : this.servers[0];
  }

  async stop(): Promise<void> {
    for (const { process, directory } of this.sentinels) {
      await process.end('SIGTERM');
      await rm(directory, { recursive: true, force: true });
    }
    await Promise.all(this.servers.map((server) => server.stop()));
  }

  private async startSentinel(masterPort: number): Promise<void> {
    const directory = await mkdtemp(join(tmpdir(), 'sentinel-'));
    const port = await freePort();
    const file = join(directory, 'sentinel.conf');
    const lines = [
      ...(this.tls ? tlsLines(port, this.tls) : [`port ${port}`]),
      'bind 127.0.0.1',
      `dir ${directory}`,
      `requirepass ${SENTINEL_PASSWORD}`,
      `user ${SENTINEL_USER} on >${SENTINEL_PASSWORD} ${SENTINEL_USER_RULES}`,
      `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${masterPort} ${QUORUM}`,
      `sentinel auth-pass ${MASTER_NAME} ${DATA_PASSWORD}`,
      `sentinel down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER_MS}`,
      `sentinel failover-timeout ${MASTER_NAME} 5000`,
    ];
    await writeFile(file, lines.join('\n'));
    const process = new RedisProcess(await findServer(), directory, 'Sentinel ID is');
    this.sentinels.push({ port, process, directory });
    await process.start([file, '--sentinel']);
  }

  /** The Sentinels have found each other and the replica: only then can they do something about a failure. */
  private async untilReady(): Promise<void> {
    for (const { port } of this.sentinels) {
      await untilServed(async () => {
        const reply = await this.ask((sentinel) => sentinel.call('SENTINEL', 'MASTER', MASTER_NAME), port);
        const fields = reply as string[];
        const numberOf = (name: string): number => Number(fields[fields.indexOf(name) + 1]);
        return numberOf('num-slaves') === 1 && numberOf('num-other-sentinels') === SENTINELS - 1;
      }, 'the Sentinels know the group');
    }
  }

  private ask<T>(work: (sentinel: Redis) => Promise<T>, port = this.sentinels[0]!.port): Promise<T> {
    return this.withConnection(port, SENTINEL_PASSWORD, work);
  }

  private async roleOf(server: RedisServer): Promise<string | undefined> {
    return this.onServer(server, async (client) => /^role:(\w+)/m.exec(await client.info('replication'))?.[1]);
  }

  private onServer<T>(server: RedisServer, work: (client: Redis) => Promise<T>): Promise<T> {
    return this.withConnection(portOf(server), DATA_PASSWORD, work);
  }

  private async withConnection<T>(port: number, password: string, work: (client: Redis) => Promise<T>): Promise<T> {
    const client = new Redis(port, '127.0.0.1', {
      password,
      protocol: 2,
      lazyConnect: true,
      retryStrategy: () => null,
      // The driver waits so long for the end of a connection even where there is none, and the tests with it.
      disconnectTimeout: 100,
      ...(this.tls && { tls: { ca: this.tls.authority } }),
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return await work(client);
    } finally {
      client.disconnect();
    }
  }
}

const portOf = ({ url }: RedisServer): number => Number(new URL(url).port);

function tlsLines(port: number, { certificateFile, keyFile, authorityFile }: TlsFiles): string[] {
  return [
    'port 0',
    `tls-port ${port}`,
    'tls-replication yes',
    'tls-auth-clients no',
    `tls-cert-file ${certificateFile}`,
    `tls-key-file ${keyFile}`,
    `tls-ca-cert-file ${authorityFile}`,
  ];
}
