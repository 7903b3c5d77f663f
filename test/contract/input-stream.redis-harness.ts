import { Redis } from 'ioredis';
import { once } from 'node:events';
import { RedisConnections } from '../../src/infra/redis/index.js';
import { newId } from '../../src/shared/index.js';
import { RedisInputStream } from '../../src/stream/adapters/redis-input-stream.js';
import type { RedisServer } from '../support/redis-server.js';
import type { InputStreamHarness } from './input-stream.contract.js';

export interface RedisHarness extends InputStreamHarness {
  readonly url: string;
  readonly key: string;
  /** A connection of the test's own. */
  readonly outside: Redis;
  /** A consumer that takes others for gone after `goneAfterMs`. */
  openTidy(consumer: string, goneAfterMs: number): Promise<RedisInputStream>;
}

/** Each consumer has connections of its own to a stream of its own on `server`. */
export async function makeRedisHarness(server: RedisServer): Promise<RedisHarness> {
  const key = `${server.keyPrefix}${newId()}`;
  const deadLetterKey = `${key}:dead`;
  const outside = new Redis(server.url, { protocol: 2 });
  const opened: RedisConnections[] = [];
  const open = async (consumer: string, claimIdleMs: number, goneAfterMs?: number): Promise<RedisInputStream> => {
    const connections = new RedisConnections(server.url);
    await connections.open();
    opened.push(connections);
    const settings = { key, deadLetterKey, group: 'workers', consumer, claimIdleMs };
    return new RedisInputStream(connections, settings, goneAfterMs);
  };

  return {
    url: server.url,
    key,
    outside,
    open: (consumer, { claimIdleMs = 60_000 } = {}) => open(consumer, claimIdleMs),
    openTidy: (consumer, goneAfterMs) => open(consumer, 60_000, goneAfterMs),
    async appendFields(fields) {
      await outside.xadd(key, '*', ...Object.entries(fields).flat());
    },
    async deadLetters() {
      const entries = await outside.xrange(deadLetterKey, '-', '+');
      return entries.map(([, flat]) => toRecord(flat));
    },
    async storedEntries() {
      return outside.xlen(key);
    },
    async refuseDeadLetters() {
      await outside.set(deadLetterKey, 'not a stream');
      return async () => {
        await outside.del(deadLetterKey);
      };
    },
    async beginOutage() {
      const lost = once(outside, 'close');
      // The test's own connection reports the outage as an error; that is what it is there for.
      outside.on('error', () => undefined);
      await server.kill();
      await lost;
      return async () => {
        await server.restart();
      };
    },
    async dispose() {
      if (outside.status !== 'ready') await once(outside, 'ready');
      await outside.del(key, deadLetterKey, `${key}:ids`);
      outside.disconnect();
      for (const connections of opened) await connections.close();
    },
  };
}

function toRecord(flat: readonly string[]): Record<string, string> {
  const record: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) record[flat[i]!] = flat[i + 1]!;
  return record;
}
