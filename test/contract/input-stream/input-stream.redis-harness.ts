import { Redis } from 'ioredis';
import { once } from 'node:events';
import { type RedisClient, RedisConnections, type StreamKeys, streamKeys } from '../../../src/infra/redis/index.js';
import { newId } from '../../../src/shared/index.js';
import { RedisDeadLetterStore } from '../../../src/stream/adapters/redis/redis-dead-letter-store.js';
import { RedisInputStream } from '../../../src/stream/adapters/redis/redis-input-stream.js';
import type { StreamEntry } from '../../../src/stream/index.js';
import { beginOutageOf, connectOutside, type RedisUnderTest, settingsOf } from '../../support/redis-settings.js';
import type { InputStreamHarness } from './input-stream.fixtures.js';

export interface RedisHarness extends InputStreamHarness {
  readonly url: string;
  readonly key: string;
  /** The keys beside it. */
  readonly keys: StreamKeys;
  /** A connection of the test's own. */
  readonly outside: RedisClient;
  /** Commands and bytes of replies so far, of the server or of all nodes. */
  usage(): Promise<{ commands: number; bytes: number }>;
  /** A consumer that removes others after they were idle for `removeIdleAfterMs`. */
  openTidy(consumer: string, removeIdleAfterMs: number): Promise<RedisInputStream>;
}

/** Each consumer has connections of its own to a stream of its own on `server`. */
export async function makeRedisHarness(server: RedisUnderTest): Promise<RedisHarness> {
  const key = `${server.keyPrefix}${newId()}`;
  const settings = settingsOf(server);
  const keys = streamKeys({ key }, settings.topology);
  const outside = connectOutside(server);
  const opened: RedisConnections[] = [];
  const connect = async (): Promise<RedisConnections> => {
    const connections = new RedisConnections(settings);
    await connections.open();
    opened.push(connections);
    return connections;
  };
  const open = async (consumer: string, claimIdleMs: number, removeIdleAfterMs?: number): Promise<RedisInputStream> =>
    new RedisInputStream(await connect(), { key, group: 'workers', consumer, claimIdleMs }, removeIdleAfterMs);

  return {
    url: server.url,
    key,
    keys,
    outside,
    open: (consumer, { claimIdleMs = 60_000 } = {}) => open(consumer, claimIdleMs),
    openTidy: (consumer, removeIdleAfterMs) => open(consumer, 60_000, removeIdleAfterMs),
    openDeadLetters: async () => new RedisDeadLetterStore(await connect(), { key }),
    async usage() {
      const nodes = outside instanceof Redis ? [outside] : outside.nodes('master');
      const infos = await Promise.all(nodes.map((node) => node.info('stats')));
      const sum = (name: string): number =>
        infos.reduce((total, info) => total + Number(new RegExp(`${name}:(\\d+)`).exec(info)?.[1]), 0);
      return { commands: sum('total_commands_processed'), bytes: sum('total_net_output_bytes') };
    },
    async appendFields(fields) {
      await outside.xadd(key, '*', ...Object.entries(fields).flat());
    },
    async deadLetters() {
      const entries = await outside.xrange(keys.deadLetters, '-', '+');
      return entries.map(([, flat]) => toRecord(flat));
    },
    async storedEntries() {
      return outside.xlen(key);
    },
    async refuseDeadLetters() {
      await outside.set(keys.deadLetters, 'not a stream');
      return async () => {
        await outside.del(keys.deadLetters);
      };
    },
    beginOutage: () => beginOutageOf(server, outside),
    async dispose() {
      if (outside.status !== 'ready') await once(outside, 'ready');
      await outside.del(keys.entries, keys.deadLetters, keys.knownIds, keys.index, keys.forgotten);
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

/** A message that some test is not about. */
export const entryOf = (message: string): StreamEntry => ({
  id: newId(),
  message,
  timestampMs: 1_790_000_000_000,
  userId: 'ada',
  sessionId: 's-1',
  role: 'user',
  context: '',
});
