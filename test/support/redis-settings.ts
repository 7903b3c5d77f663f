import { Redis } from 'ioredis';
import { once } from 'node:events';

import {
  type RedisClient,
  redisSettings as readRedisSettings,
  type RedisServerSettings,
} from '../../src/infra/redis/index.js';
import { TestCluster } from './redis-cluster.js';
import type { RedisServer } from './redis-server.js';

/** A Redis that the tests of an adapter take away and bring back. */
export type RedisUnderTest = RedisServer | TestCluster;

/** What a program would make of this address; `environment` has what else it is told. */
export function redisSettings(url: string, environment: NodeJS.ProcessEnv = {}): RedisServerSettings {
  const { server } = readRedisSettings({ ...environment, REDIS_URL: url });
  if (server === undefined) throw new Error('There is no address of a Redis.');
  return server;
}

export function settingsOf(redis: RedisUnderTest): RedisServerSettings {
  return redis instanceof TestCluster ? redisSettings(redis.url, redis.environment) : redisSettings(redis.url);
}

/** A connection of a test's own. */
export function connectOutside(redis: RedisUnderTest): RedisClient {
  return redis instanceof TestCluster ? redis.connect() : new Redis(redis.url, { protocol: 2 });
}

/** The names of all keys that begin with `prefix`, on whatever node. */
export async function keysWithPrefix(client: RedisClient, prefix: string): Promise<string[]> {
  const found = new Set<string>();
  for (const server of client instanceof Redis ? [client] : client.nodes('master')) {
    for await (const page of server.scanStream({ match: `${prefix}*`, count: 1_000 })) {
      for (const key of page as string[]) found.add(key);
    }
  }
  return [...found].sort();
}

/** Takes `redis` away until the returned function is called. `client` notices, and is not upset by it. */
export async function beginOutageOf(redis: RedisUnderTest, client: RedisClient): Promise<() => Promise<void>> {
  // Of a cluster it may have used no node by then, so that there is nothing to notice.
  const lost = client instanceof Redis ? once(client, 'close') : undefined;
  client.on('error', () => undefined);
  await redis.kill();
  await lost;
  return () => redis.restart();
}
