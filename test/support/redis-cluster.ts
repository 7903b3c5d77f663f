import { Cluster, Redis } from 'ioredis';
import { newId } from '../../src/shared/index.js';
import { freePort } from './free-port.js';
import { type RedisServer, startRedis } from './redis-server.js';
import type { TlsFiles } from './tls-files.js';
import { untilServed } from './until.js';

const SLOTS = 16_384;
const MIGRATE_TIMEOUT_MS = 5_000;

export interface ClusterOptions {
  readonly masters?: number;
  /** How many of the masters, from the first, have a replica. */
  readonly replicas?: number;
  /** After this long without an answer a node counts as failed. Short ones find fault with a busy machine. */
  readonly nodeTimeoutMs?: number;
  /** Has the nodes speak TLS, with each other as well. */
  readonly tls?: TlsFiles;
}

export interface ClusterNode {
  readonly server: RedisServer;
  readonly address: string;
  readonly id: string;
  /** A connection to this node alone. */
  readonly client: Redis;
}

/** A Redis Cluster of the tests' own, on ports of this machine. */
export class TestCluster {
  readonly topology = 'cluster';
  readonly keyPrefix = `test-${newId()}:`;
  /** The masters as they were at first, each with an equal share of the slots; then their replicas. */
  readonly nodes: ClusterNode[] = [];

  private constructor(
    private readonly nodeTimeoutMs: number,
    private readonly tls: TlsFiles | undefined,
  ) {}

  static async start({
    masters = 3,
    replicas = 0,
    nodeTimeoutMs = 15_000,
    tls,
  }: ClusterOptions = {}): Promise<TestCluster> {
    const cluster = new TestCluster(nodeTimeoutMs, tls);
    try {
      for (let index = 0; index < masters + replicas; index++) await cluster.startNode();
      await cluster.join();
      await cluster.shareSlots(masters);
      await cluster.untilOk();
      await cluster.addReplicas(masters);
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Two of the nodes: the others have to be found out. */
  get url(): string {
    return `${this.tls ? 'rediss' : 'redis'}://${this.nodes
      .slice(0, 2)
      .map(({ address }) => address)
      .join(',')}`;
  }

  get environment(): NodeJS.ProcessEnv {
    return { REDIS_URL: this.url, REDIS_TOPOLOGY: this.topology };
  }

  /** A connection of the test's own. */
  connect(): Cluster {
    const nodes = this.nodes.map(({ client }) => ({ host: client.options.host, port: client.options.port }));
    const client = new Cluster(nodes, {
      redisOptions: { protocol: 2, ...this.tlsOption() },
      clusterRetryStrategy: () => 50,
    });
    // An outage is what it is there for.
    client.on('error', () => undefined);
    return client;
  }

  async slotOf(key: string): Promise<number> {
    return this.nodes[0]!.client.cluster('KEYSLOT', key);
  }

  /** The node that has the slot of `key` now, as the nodes that answer see it. */
  async ownerOf(key: string): Promise<ClusterNode> {
    const slot = await this.slotOf(key);
    const { client } = this.anyNode();
    for (const [from, to, master] of await client.cluster('SLOTS')) {
      if (slot < from || to < slot) continue;
      return this.nodes.find((node) => node.client.options.port === master?.[1])!;
    }
    throw new Error(`nobody has slot ${slot}`);
  }

  /** Begins to hand a slot over; what is in it moves with {@link moveKeys}. */
  async beginMove(slot: number, from: ClusterNode, to: ClusterNode): Promise<void> {
    await to.client.cluster('SETSLOT', slot, 'IMPORTING', from.id);
    await from.client.cluster('SETSLOT', slot, 'MIGRATING', to.id);
  }

  /** All keys of the slot that are still there, or these. */
  async moveKeys(slot: number, from: ClusterNode, to: ClusterNode, only?: readonly string[]): Promise<void> {
    const keys = only ?? (await from.client.cluster('GETKEYSINSLOT', slot, 1_000));
    const { host = '', port = 0 } = to.client.options;
    for (const key of keys) await from.client.migrate(host, port, key, 0, MIGRATE_TIMEOUT_MS);
  }

  async finishMove(slot: number, from: ClusterNode, to: ClusterNode): Promise<void> {
    // The new owner first: it tells the others.
    for (const { client } of [to, from]) await client.cluster('SETSLOT', slot, 'NODE', to.id);
    for (const { client } of this.nodes) {
      await untilServed(async () => {
        const slots = await client.cluster('SLOTS');
        return slots.some(([first, last, master]) => first <= slot && slot <= last && master?.[2] === to.id);
      }, `everybody knows that slot ${slot} has moved`);
    }
  }

  /** Resolves when the replicas have all that was written up to now. */
  async untilReplicated(): Promise<void> {
    for (const { client } of this.nodes) {
      if (!(await client.info('replication')).includes('connected_slaves:1')) continue;
      await untilServed(async () => (await client.wait(1, 1_000)) === 1, 'the replica has what its master has');
    }
  }

  /** Resolves when another node has the slots of one that was killed, and all that are left know it. */
  async untilTakenOver({ id, address }: ClusterNode): Promise<void> {
    const others = this.nodes.filter((node) => node.id !== id);
    for (const { client } of others) {
      await untilServed(async () => {
        const slots = await client.cluster('SLOTS');
        return slots.every(([, , master]) => master?.[2] !== id);
      }, `the slots of ${address} are taken over`);
    }
    await this.untilOk(others);
  }

  async kill(): Promise<void> {
    await Promise.all(this.nodes.map(({ server }) => server.kill()));
  }

  async restart(): Promise<void> {
    await Promise.all(this.nodes.map(({ server }) => server.restart()));
    await this.untilOk();
  }

  async stop(): Promise<void> {
    for (const { client } of this.nodes) client.disconnect();
    await Promise.all(this.nodes.map(({ server }) => server.stop()));
  }

  /** Resolves when every node that answers says that all slots are served. */
  async untilOk(nodes: readonly ClusterNode[] = this.nodes): Promise<void> {
    for (const { client, address } of nodes) {
      await untilServed(async () => {
        return (await client.cluster('INFO')).includes('cluster_state:ok');
      }, `the cluster is in order, says ${address}`);
    }
  }

  private anyNode(): ClusterNode {
    for (const node of this.nodes) {
      if (node.client.status === 'ready') return node;
    }
    throw new Error('no node of the cluster answers');
  }

  private async startNode(): Promise<void> {
    const server = await startRedis({
      config: {
        'cluster-enabled': 'yes',
        // The default is 10,000 above the other, which is no port for many a free one.
        'cluster-port': String(await freePort()),
        // A node that has met nobody does not know its own address.
        'cluster-announce-ip': '127.0.0.1',
        'cluster-node-timeout': String(this.nodeTimeoutMs),
        'repl-diskless-sync-delay': '0',
        ...(this.tls && { 'tls-cluster': 'yes', 'tls-replication': 'yes' }),
      },
      ...(this.tls && { tls: this.tls }),
    });
    const { port } = new URL(server.url);
    const client = new Redis(Number(port), '127.0.0.1', {
      protocol: 2,
      retryStrategy: () => 50,
      maxRetriesPerRequest: 0,
      enableOfflineQueue: false,
      // The driver waits so long for the end of a connection even where there is none, and the tests with it.
      disconnectTimeout: 100,
      lazyConnect: true,
      ...this.tlsOption(),
    });
    client.on('error', () => undefined);
    await client.connect();
    const id = await client.cluster('MYID');
    this.nodes.push({ server, client, id, address: `127.0.0.1:${port}` });
  }

  private tlsOption(): { readonly tls?: { readonly ca: string } } {
    return this.tls === undefined ? {} : { tls: { ca: this.tls.authority } };
  }

  private async join(): Promise<void> {
    const [first, ...others] = this.nodes;
    for (const [index, { client }] of this.nodes.entries()) await client.cluster('SET-CONFIG-EPOCH', index + 1);
    const { port = 0 } = first!.client.options;
    const busPort = await this.busPortOf(first!);
    for (const { client } of others) await client.call('CLUSTER', 'MEET', '127.0.0.1', port, busPort);
    for (const { client } of this.nodes) {
      await untilServed(async () => {
        const lines = String(await client.cluster('NODES'))
          .trim()
          .split('\n');
        return lines.length === this.nodes.length && lines.every((line) => !line.includes('handshake'));
      }, 'the nodes know each other');
    }
  }

  private async busPortOf({ client }: ClusterNode): Promise<number> {
    const reply = await client.config('GET', 'cluster-port');
    return Number(reply[1]);
  }

  private async shareSlots(masters: number): Promise<void> {
    for (let index = 0; index < masters; index++) {
      const bounds = [index, index + 1].map((part) => Math.floor((part * SLOTS) / masters)) as [number, number];
      await this.nodes[index]!.client.cluster('ADDSLOTSRANGE', bounds[0], bounds[1] - 1);
    }
  }

  private async addReplicas(masters: number): Promise<void> {
    for (const [index, { client }] of this.nodes.slice(masters).entries()) {
      await client.cluster('REPLICATE', this.nodes[index]!.id);
      await untilServed(
        async () => (await client.info('replication')).includes('master_link_status:up'),
        'the replica has what its master has',
      );
    }
  }
}
