import type { Redis } from 'ioredis';
import type { RedisServerSettings } from '../redis.settings.js';
import { BlockingConnection, type BlockingOptions } from './blocking-connection.js';
import type { ConnectionMonitor } from './connection-monitor.js';
import { type MasterListener, quit, type ConnectionSet, untilReady } from './connection-set.js';
import { serverClient } from './redis-options.js';
import { SentinelSubscriber } from './sentinel-subscriber.js';
import { batchWrites } from './batched-writes.js';

/** The two connections to one server: the one that `REDIS_URL` names, or the one that the Sentinels name. */
export class ServerConnections implements ConnectionSet {
  readonly commands: Redis;
  private readonly blocking: BlockingConnection;
  private readonly sentinels: SentinelSubscriber | undefined;

  constructor(
    settings: RedisServerSettings,
    private readonly monitor: ConnectionMonitor,
    onMaster: MasterListener,
  ) {
    const onGivenUp = (error: Error): void => {
      monitor.note(error);
    };
    this.commands = serverClient(settings, { onGivenUp });
    batchWrites(this.commands);
    this.blocking = new BlockingConnection(
      serverClient(settings, { onGivenUp, isBlocking: true }),
      () => this.commands,
    );
    monitor.follow(this.commands);
    monitor.follow(this.blocking.client, () => this.blocking.isBeingMade);
    if (settings.topology === 'sentinel') {
      this.sentinels = new SentinelSubscriber(settings, (host, port) => {
        this.moveTo(host, port);
      });
    }
    this.commands.on('ready', () => {
      onMaster(this.commands, settings.authority);
    });
  }

  async open(waiting: AbortSignal): Promise<void> {
    const opened = [this.commands, this.blocking.client].map(async (client) => {
      const ready = untilReady(client, waiting);
      // Why an attempt failed reaches the log through the 'error' event; the client goes on trying.
      client.connect().catch(() => undefined);
      await ready;
    });
    this.sentinels?.open();
    await Promise.allSettled(opened);
  }

  masters(): readonly Redis[] {
    return [this.commands];
  }

  /** A command says as much. */
  missing(): readonly string[] {
    return [];
  }

  async runBlocking<T>(command: (client: Redis) => Promise<T>, options: BlockingOptions): Promise<T> {
    return this.blocking.run(command, options);
  }

  async close(): Promise<void> {
    this.sentinels?.close();
    await Promise.all([quit(this.commands), quit(this.blocking.client)]);
  }

  /** Leaves a server that is not the master any more, for whatever the Sentinels name when they are asked. */
  private moveTo(host: string, port: number): void {
    for (const client of [this.commands, this.blocking.client]) {
      if (client.status !== 'ready' || isConnectedTo(client, host, port)) continue;
      this.monitor.note(new Error(`the Sentinels have made ${host}:${port} the master`));
      client.disconnect(true);
    }
  }
}

function isConnectedTo({ stream: { remoteAddress, remotePort } }: Redis, host: string, port: number): boolean {
  return remoteAddress === host && remotePort === port;
}
