import { once } from 'node:events';
import { type RedisClient, RedisConnections } from '../../src/infra/redis/index.js';
import { newId } from '../../src/shared/index.js';
import { beginOutageOf, connectOutside, keysWithPrefix, type RedisUnderTest, settingsOf } from './redis-settings.js';

/** Keys of a test's own on a server, and what a harness does to them behind the back of an adapter. */
export class RedisBacking {
  readonly keyPrefix: string;
  /** A connection of the test's own. */
  readonly outside: RedisClient;
  private readonly opened: RedisConnections[] = [];

  constructor(private readonly server: RedisUnderTest) {
    this.keyPrefix = `${server.keyPrefix}${newId()}:`;
    this.outside = connectOutside(server);
  }

  /** Connections as a process of its own would have them. */
  async connect(): Promise<RedisConnections> {
    const connections = new RedisConnections(settingsOf(this.server));
    this.opened.push(connections);
    await connections.open();
    return connections;
  }

  async allKeys(): Promise<string[]> {
    return keysWithPrefix(this.outside, this.keyPrefix);
  }

  /** Every key with its content, as the server serialises it. */
  async snapshot(): Promise<Record<string, string>> {
    const keys = await this.allKeys();
    const dumps = await Promise.all(keys.map((key) => this.outside.dumpBuffer(key)));
    return Object.fromEntries(keys.map((key, index) => [key, dumps[index]?.toString('base64') ?? 'gone']));
  }

  beginOutage(): Promise<() => Promise<void>> {
    return beginOutageOf(this.server, this.outside);
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
