import { Logger } from '@nestjs/common';
import type { Redis } from 'ioredis';
import type { RedisTopology } from '../redis-address.js';
import type { RedisServerSettings } from '../redis.settings.js';
import type { BlockingOptions } from './blocking-connection.js';
import { ClusterConnections } from './cluster-connections.js';
import { ConnectionMonitor } from './connection-monitor.js';
import type { RedisClient } from './redis-client.js';
import { RedisUnsupportedError } from '../errors/redis-errors.js';
import type { ConnectionSet } from './connection-set.js';
import { ServerInspector } from '../server/server-inspector.js';
import { ServerConnections } from './server-connections.js';

// How long the start waits for Redis before it goes on without.
const OPEN_WAIT_MS = 2_000;

/**
 * The connections to a Redis: one server, or the masters of a cluster, for commands, and a connection of its own for
 * the command that blocks, behind which others would wait. All reconnect for as long as they live; while a connection
 * is down its commands fail at once instead of piling up. An outage is logged once when it begins and once when it
 * ends. No password is ever logged.
 */
export class RedisConnections {
  readonly topology: RedisTopology;
  private readonly connections: ConnectionSet;
  private readonly inspector: ServerInspector;
  private readonly monitor: ConnectionMonitor;

  /** Connects when {@link open} is called. */
  constructor(settings: RedisServerSettings) {
    const logger = new Logger('Redis');
    this.topology = settings.topology;
    this.monitor = new ConnectionMonitor(settings.authority, logger);
    this.inspector = new ServerInspector(settings.topology, logger);
    const onMaster = (master: Redis, address: string): void => void this.inspector.inspect(master, address);
    const Connections = settings.topology === 'cluster' ? ClusterConnections : ServerConnections;
    this.connections = new Connections(settings, this.monitor, onMaster);
  }

  get commands(): RedisClient {
    return this.connections.commands;
  }

  /** Begins connecting, and waits a little for it. Never fails: a server that is down is connected to when it is up. */
  async open(): Promise<void> {
    await this.connections.open(AbortSignal.timeout(OPEN_WAIT_MS));
  }

  /** A connection to each server that takes writes, for commands that have no key. */
  masters(): readonly Redis[] {
    return this.connections.masters();
  }

  /** Throws unless every server answers that has to. */
  async ping(): Promise<void> {
    const missing = this.connections.missing();
    if (missing.length > 0) throw new Error(`No connection to ${missing.join(', ')}`);
    const masters = this.masters();
    if (masters.length === 0) throw new Error('No Redis server is known; check REDIS_URL and REDIS_TOPOLOGY');
    await Promise.all(masters.map((master) => master.ping()));
  }

  /**
   * Resolves as well where a server cannot be asked now: there is nothing to say yet.
   * @throws RedisUnsupportedError if one cannot hold memories
   */
  async assertVectorSets(): Promise<void> {
    const problems = await Promise.all(this.masters().map((master) => this.inspector.findVectorSetProblem(master)));
    const problem = problems.find((found) => found !== undefined);
    if (problem !== undefined) throw new RedisUnsupportedError(problem);
  }

  /**
   * Runs one blocking command; one at a time. An abort ends it at once; whether the server handed out something in that
   * moment, the reply tells, unless the connection had to be cut.
   * @throws the driver's errors
   */
  async runBlocking<T>(command: (client: Redis) => Promise<T>, options: BlockingOptions): Promise<T> {
    return this.connections.runBlocking(command, options);
  }

  async close(): Promise<void> {
    this.monitor.stop();
    await this.connections.close();
  }
}
