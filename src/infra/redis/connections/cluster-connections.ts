import { type Cluster, Command, type Redis } from 'ioredis';
import type { RedisServerSettings } from '../redis.settings.js';
import { BlockingConnection, type BlockingOptions } from './blocking-connection.js';
import type { ConnectionMonitor } from './connection-monitor.js';
import { type MasterListener, quit, type ConnectionSet, untilReady } from './connection-set.js';
import { blockingNodeClient, clusterClient } from './redis-options.js';
import { type Redirection, redirectionOf } from '../errors/redis-errors.js';
import { batchWrites } from './batched-writes.js';

// A slot that moves on while it is followed; more would be a cluster whose nodes disagree.
const MAX_REDIRECTIONS = 3;

// The driver's error of a command without a connection; the cause is in another error of the driver.
const CLOSED = 'Connection is closed.';

interface BlockingNode {
  readonly address: string;
  readonly connection: BlockingConnection;
}

/**
 * A connection to each master of a Redis Cluster, and one for the command that blocks, to the node that has the slot of
 * its key.
 *
 * The driver follows slots that move and masters that change. It connects to a node with the first command for it, and
 * commands beside that one would fail, so every master is connected to as soon as it is known.
 */
export class ClusterConnections implements ConnectionSet {
  readonly commands: Cluster;
  private blocking: BlockingNode | undefined;
  /** Connections that were reported to `onMaster`; a new connection to the same node is another object. */
  private readonly greeted = new WeakSet<Redis>();

  constructor(
    private readonly settings: RedisServerSettings,
    private readonly monitor: ConnectionMonitor,
    private readonly onMaster: MasterListener,
  ) {
    this.commands = clusterClient(settings);
    this.commands.on('+node', (node: Redis) => {
      this.adopt(node);
    });
    this.commands.on('-node', () => {
      this.takeStock();
    });
    this.commands.on('node error', (error: Error, address: string) => {
      if (error.message !== CLOSED) this.monitor.note(new Error(`${address}: ${error.message}`));
    });
    // The reason is that of the nodes, which is already noted.
    this.commands.on('error', () => undefined);
    this.commands.on('close', () => {
      this.monitor.onLost(this.commands);
    });
    this.commands.on('ready', () => {
      this.takeStock();
    });
    this.commands.on('refresh', () => {
      this.takeStock();
    });
  }

  async open(waiting: AbortSignal): Promise<void> {
    const ready = untilReady(this.commands, waiting);
    this.commands.connect().catch(() => undefined);
    const opened = ready.then(() => Promise.all(this.masters().map((master) => untilReady(master, waiting))));
    await Promise.allSettled([opened]);
  }

  masters(): readonly Redis[] {
    return this.commands.nodes('master');
  }

  missing(): readonly string[] {
    if (this.commands.status !== 'ready') return [this.settings.authority];
    const connected = new Set(
      this.masters()
        .filter(({ status }) => status === 'ready')
        .map(addressOf),
    );
    return [...this.owners()].filter((owner) => !connected.has(owner));
  }

  async runBlocking<T>(command: (client: Redis) => Promise<T>, options: BlockingOptions): Promise<T> {
    let target: Redirection = { address: this.ownerOf(options.key), isAsking: false };
    for (let redirections = 0; ; redirections++) {
      const { isAsking, address } = target;
      try {
        return await this.blockingTo(address).run(isAsking ? asking(command) : command, options);
      } catch (error) {
        const redirection = redirectionOf(error);
        if (redirection === undefined || redirections === MAX_REDIRECTIONS || options.signal.aborted) throw error;
        if (!redirection.isAsking) this.commands.refreshSlotsCache();
        target = redirection;
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all([quit(this.commands), this.blocking && quit(this.blocking.connection.client)]);
  }

  private adopt(node: Redis): void {
    batchWrites(node);
    node.on('ready', () => {
      this.takeStock();
    });
    // Why an attempt failed reaches the log through the 'node error' event.
    if (node.options.readOnly !== true) node.connect().catch(() => undefined);
  }

  /** Looks what there is of the masters, and what not. */
  private takeStock(): void {
    if (this.commands.status !== 'ready') return;
    const owners = this.owners();
    for (const master of this.masters()) {
      const address = addressOf(master);
      if (master.status !== 'ready' || !owners.has(address) || this.greeted.has(master)) continue;
      this.greeted.add(master);
      this.onMaster(master, address);
    }
    if (this.missing().length === 0) this.monitor.onRegained(this.commands);
    else if (!this.masters().some(isOnItsWay)) this.monitor.onLost(this.commands);
  }

  /** The nodes that have slots, by their addresses. */
  private owners(): ReadonlySet<string> {
    return new Set(this.commands.slots.map(([owner]) => owner).filter((owner) => owner !== undefined));
  }

  private ownerOf(key: string): string {
    const slot = new Command('TYPE', [key]).getSlot();
    const [owner] = this.commands.slots[slot] ?? [];
    if (owner === undefined) throw new Error('No node of the cluster is known to have the slot of the stream.');
    return owner;
  }

  private blockingTo(address: string): BlockingConnection {
    if (this.blocking?.address === address) return this.blocking.connection;
    this.blocking?.connection.client.disconnect();
    const colon = address.lastIndexOf(':');
    const client = blockingNodeClient(this.settings, address.slice(0, colon), Number(address.slice(colon + 1)));
    // The monitor learns of outages from the connection for commands to the same node.
    client.on('error', () => undefined);
    const helper = (): Redis | undefined => this.masters().find((master) => addressOf(master) === address);
    this.blocking = { address, connection: new BlockingConnection(client, helper) };
    return this.blocking.connection;
  }
}

/** What the driver calls the node. */
function addressOf({ options }: Redis): string {
  return `${options.host ?? ''}:${options.port ?? ''}`;
}

function isOnItsWay({ status }: Redis): boolean {
  return status === 'connecting' || status === 'connect';
}

/** The same at a node that is taking the slot over. */
function asking<T>(command: (client: Redis) => Promise<T>): (client: Redis) => Promise<T> {
  return async (client) => {
    const [, reply] = await Promise.all([client.asking(), command(client)]);
    return reply;
  };
}
