import { RedisMemoryStore } from '../../../src/memory/adapters/redis-memory-store.js';
import type { RedisUnderTest } from '../../support/redis-settings.js';
import type { MemoryStoreHarness } from './memory-store.contract.js';
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
    beginOutage: () => backing.beginOutage(),
    closeAll: () => backing.closeAll(),
    dispose: () => backing.dispose(),
  };
}
