import { redisFailuresAs } from '../../../infra/redis/index.js';
import { StoreRefusedError } from '../../../shared/index.js';
import { MemoryStoreUnavailableError } from '../../memory.errors.js';

/** For work on the keys of one user, which may be broken for that user alone. */
export const reachingRedis = redisFailuresAs(MemoryStoreUnavailableError, StoreRefusedError);

/** For the keys that all users share: broken they are an outage, of which no message is the cause. */
export const reachingSharedKeys = redisFailuresAs(MemoryStoreUnavailableError);
