import { memoryKeys } from '../../../src/infra/redis/index.js';
import { RedisMemoryStore } from '../../../src/memory/adapters/redis/redis-memory-store.js';
import { RECORD_VERSION } from '../../../src/memory/adapters/shared/stored-record.js';
import type { MemoryLimits } from '../../../src/memory/store/memory-limits.js';
import type { RedisUnderTest } from '../../support/redis-settings.js';
import { type MemoryStoreHarness, TEST_LIMITS } from './memory-store.harness.js';
import { RedisBacking } from '../../support/redis-backing.js';

export interface RedisMemoryHarness extends MemoryStoreHarness {
  readonly backing: RedisBacking;
}

/** Each store has connections of its own; they share keys of their own on `server`. */
export function makeRedisMemoryHarness(server: RedisUnderTest): RedisMemoryHarness {
  const backing = new RedisBacking(server);
  const keys = memoryKeys(backing.keyPrefix).ofUser('ada');
  const open = async (limits: Partial<MemoryLimits> = {}): Promise<RedisMemoryStore> => {
    const { keyPrefix } = backing;
    return new RedisMemoryStore(await backing.connect(), { ...TEST_LIMITS, ...limits }, { keyPrefix });
  };
  return {
    backing,
    open,
    async damage({ kind, id, how }) {
      const key = { memory: keys.items, shadow: keys.items, decision: keys.decisions, statistics: keys.statistics }[
        kind
      ];
      const stored = (await backing.outside.hget(key, id)) ?? '';
      const newer = (): string => JSON.stringify({ ...(JSON.parse(stored) as object), v: RECORD_VERSION + 1 });
      await backing.outside.hset(key, id, how === 'newer' ? newer() : `not ${stored}`);
    },
    async unindex(id) {
      const { outside } = backing;
      const body = (await outside.hget(keys.items, id)) ?? '';
      const vector = (await outside.call('VEMB', keys.vectors(1), id)) as string[];
      await (await open()).delete('ada', id);
      await outside.call('VADD', keys.vectors(1), 'VALUES', vector.length, ...vector, id);
      await outside.hset(keys.items, id, body);
      await outside.zadd(keys.ids, 0, id);
    },
    beginOutage: () => backing.beginOutage(),
    closeAll: () => backing.closeAll(),
    dispose: () => backing.dispose(),
  };
}
