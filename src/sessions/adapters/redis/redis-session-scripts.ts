import { IS_LATE, RedisScript } from '../../../infra/redis/index.js';

// The server's clock, by which it expires keys.
const NOW = `
  local function now_ms()
    local time = redis.call('TIME')
    return time[1] * 1000 + math.floor(time[2] / 1000)
  end
`;

/**
 * Adds turns to a session, bounds it, and starts its time anew. A script is not undone when it fails in the middle, so
 * it meets keys of another type before it writes. Nothing is added where the user was forgotten since the chat began.
 * KEYS: session, index, mark. ARGV: session as the index names it, how many turns to keep, time to live, mark carried,
 * then the turns.
 */
export const APPEND_TURNS = new RedisScript(`
  ${NOW} ${IS_LATE}
  redis.call('LLEN', KEYS[1])
  redis.call('ZCARD', KEYS[2])
  if is_late(KEYS[3], ARGV[4]) then return end
  for i = 5, #ARGV do redis.call('RPUSH', KEYS[1], ARGV[i]) end
  redis.call('LTRIM', KEYS[1], -tonumber(ARGV[2]), -1)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  local now = now_ms()
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', string.format('%.0f', now))
  redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[3])), ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[3], 'NX')
  redis.call('PEXPIRE', KEYS[2], ARGV[3], 'GT')
`);

/**
 * Deletes the sessions that the index names, and the index. Their keys are made from it, in the script: read before,
 * they would lack a session that begins meanwhile. All are on the index's slot. KEYS: index, mark. ARGV: what the key
 * of a session begins with, mark, how long to remember it. Returns how many sessions there were.
 */
export const FORGET_SESSIONS = new RedisScript(`
  redis.call('ZCARD', KEYS[1])
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
  local count = 0
  for _, session in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
    count = count + redis.call('UNLINK', ARGV[1] .. session)
  end
  redis.call('UNLINK', KEYS[1])
  return count
`);
