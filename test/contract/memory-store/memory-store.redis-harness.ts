import { memoryKeys } from '../../../src/infra/redis/index.js';
import { RedisMemoryStore } from '../../../src/memory/adapters/redis-memory-store.js';
import type { RedisUnderTest } from '../../support/redis-settings.js';
import type { MemoryStoreHarness } from './memory-store.harness.js';
import { RedisBacking } from '../../support/redis-backing.js';

export interface RedisMemoryHarness extends MemoryStoreHarness {
  readonly backing: RedisBacking;
}

/** Each store has connections of its own; they share keys of their own on `server`. */
export function makeRedisMemoryHarness(server: RedisUnderTest): RedisMemoryHarness {
  const backing = new RedisBacking(server);
  return {
    backing,
    async open({ shadowMaxEntries = 100, maxDecisions = 100 } = {}) {
      const { keyPrefix } = backing;
      return new RedisMemoryStore(await backing.connect(), { shadowMaxEntries, maxDecisions }, { keyPrefix });
    },
    async damage({ kind, id, how }) {
      const { memory, shadow, decisions, statistics } = memoryKeys(backing.keyPrefix).ofUser('ada');
      const key = { memory: memory.items, shadow: shadow.items, decision: decisions, statistics }[kind];
      const stored = (await backing.outside.hget(key, id)) ?? '';
      const newer = (): string => JSON.stringify({ ...(JSON.parse(stored) as object), v: 2 });
      await backing.outside.hset(key, id, how === 'newer' ? newer() : `not ${stored}`);
    },
    beginOutage: () => backing.beginOutage(),
    closeAll: () => backing.closeAll(),
    dispose: () => backing.dispose(),
  };
}
