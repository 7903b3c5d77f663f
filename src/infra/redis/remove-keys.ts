import type { RedisConnections } from './connections/redis-connections.js';

const KEYS_PER_SCAN = 1_000;

/** Removes every key with the prefix `prefix`, which is not a pattern; for the keys of a benchmark. */
export async function removeKeys(connections: RedisConnections, prefix: string): Promise<void> {
  const pattern = `${prefix.replaceAll(/[\\*?[\]]/g, '\\$&')}*`;
  for (const master of connections.masters()) {
    let cursor = '0';
    do {
      const [next, keys] = await master.scan(cursor, 'MATCH', pattern, 'COUNT', KEYS_PER_SCAN);
      // One by one: the keys of a node lie on many slots.
      await Promise.all(keys.map((key) => master.unlink(key)));
      cursor = next;
    } while (cursor !== '0');
  }
}
