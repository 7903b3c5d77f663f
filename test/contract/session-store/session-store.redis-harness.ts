import { RedisSessionStore } from '../../../src/sessions/adapters/redis/redis-session-store.js';
import type { RedisUnderTest } from '../../support/redis-settings.js';
import { RedisBacking } from '../../support/redis-backing.js';
import type { SessionStoreHarness } from './session-store.contract.js';

export interface RedisSessionHarness extends SessionStoreHarness {
  readonly backing: RedisBacking;
}

/** Each store has connections of its own; they share keys of their own on `server`. */
export function makeRedisSessionHarness(server: RedisUnderTest): RedisSessionHarness {
  const backing = new RedisBacking(server);
  return {
    backing,
    async open({ maxTurns = 20, ttlMs = 60_000 } = {}) {
      const { keyPrefix } = backing;
      return new RedisSessionStore(await backing.connect(), { maxTurns, ttlMs }, { keyPrefix });
    },
    async damageTurn() {
      await backing.outside.lset(`${backing.keyPrefix}session:{ada}:s`, 0, '{"role":');
    },
    beginOutage: () => backing.beginOutage(),
    closeAll: () => backing.closeAll(),
    dispose: () => backing.dispose(),
  };
}
