export { type BlockingOptions } from './blocking-connection.js';
export { carriedMark, FORGET_MARK_LASTS_MS, IS_LATE } from './forget-mark.js';
export { type RedisClient } from './redis-client.js';
export { RedisConnections } from './redis-connections.js';
export { redisFailuresAs, RedisUnsupportedError, replyCodeOf } from './redis-errors.js';
export {
  type MemoryKeys,
  memoryKeys,
  type SessionKeys,
  sessionKeys,
  type StreamKeys,
  streamKeys,
  type UserMemoryKeys,
} from './redis-keys.js';
export { removeKeys } from './remove-keys.js';
export { RedisScript, type ScriptArgument } from './redis-script.js';
