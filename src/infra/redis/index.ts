export { type BlockingOptions } from './connections/blocking-connection.js';
export { carriedMark, FORGET_MARK_LASTS_MS, IS_LATE } from './scripts/forget-mark.js';
export { type RedisClient } from './connections/redis-client.js';
export { RedisConnections } from './connections/redis-connections.js';
export { redisFailuresAs, RedisUnsupportedError, replyCodeOf } from './errors/redis-errors.js';
export {
  type MemoryKeys,
  memoryKeys,
  type SessionKeys,
  sessionKeys,
  type StreamKeys,
  streamKeys,
  type UserMemoryKeys,
} from './redis-keys.js';
export { redisSettings, type RedisServerSettings, type RedisSettings } from './redis.settings.js';
export { removeKeys } from './remove-keys.js';
export { RedisScript, type ScriptArgument } from './scripts/redis-script.js';
