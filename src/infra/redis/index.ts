export { type BlockingOptions, type RedisClient, RedisConnections } from './redis-connections.js';
export { isRedisFailure, replyCodeOf, withoutCommand } from './redis-errors.js';
export { type StreamKeys, streamKeys } from './redis-keys.js';
export { RedisScript } from './redis-script.js';
