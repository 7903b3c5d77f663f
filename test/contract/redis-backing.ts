import { Redis } from 'ioredis';
import { once } from 'node:events';
import { RedisConnections } from '../../src/infra/redis/index.js';
import { newId } from '../../src/shared/index.js';
import type { RedisServer } from '../support/redis-server.js';

/** Keys of a test's own on a server, and what a harness does to them behind the back of an adapter. */
export class RedisBacking {
  readonly keyPrefix: string;
  /** A connection of the test's own. */
  readonly outside: Redis;
  private readonly opened: RedisConnections[] = [];

  constructor(private readonly server: RedisServer) {
    this.keyPrefix = `${server.keyPrefix}${newId()}:`;
    this.outside = new Redis(server.url, { protocol: 2 });
  }

  /** Connections as a process of its own would have them. */
  async connect(): Promise<RedisConnections> {
    const connections = new RedisConnections(this.server.url);
    this.opened.push(connections);
    await connections.open();
    return connections;
  }

  async allKeys(): Promise<string[]> {
    const found: string[] = [];
    for await (const page of this.outside.scanStream({ match: `${this.keyPrefix}*`, count: 1_000 })) {
      found.push(...(page as string[]));
    }
    return [...new Set(found)].sort();
  }

  /** Every key with its content, as the server serialises it. */
  async snapshot(): Promise<Record<string, string>> {
    const keys = await this.allKeys();
    const dumps = await Promise.all(keys.map((key) => this.outside.dumpBuffer(key)));
    return Object.fromEntries(keys.map((key, index) => [key, dumps[index]?.toString('base64') ?? 'gone']));
  }

  async beginOutage(): Promise<() => Promise<void>> {
    const lost = once(this.outside, 'close');
    // The test's own connection reports the outage as an error; that is what it is there for.
    this.outside.on('error', () => undefined);
    await this.server.kill();
    await lost;
    return () => this.server.restart();
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.opened.splice(0).map((connections) => connections.close()));
  }

  async dispose(): Promise<void> {
    await this.closeAll();
    if (this.outside.status !== 'ready') await once(this.outside, 'ready');
    await Promise.all((await this.allKeys()).map((key) => this.outside.unlink(key)));
    this.outside.disconnect();
  }
}
