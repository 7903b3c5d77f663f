import { RedisScript } from '../../infra/redis/index.js';

/**
 * Appends an entry unless its id is known.
 * KEYS: entries, known ids. ARGV: id, how many ids to remember, then field, value, field, value …
 * The id is recorded after the entry: were it recorded first and the XADD refused, a resend would be taken for done.
 */
export const APPEND = new RedisScript(`
  if redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
  redis.call('XADD', KEYS[1], '*', unpack(ARGV, 3))
  local now = redis.call('TIME')
  redis.call('ZADD', KEYS[2], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -tonumber(ARGV[2]) - 1)
  return 1
`);

/**
 * Acknowledges entries and removes them from the stream, which bounds its length by what is not processed.
 * KEYS: entries. ARGV: group, then the entries' stream ids.
 */
export const ACKNOWLEDGE = new RedisScript(`
  for i = 2, #ARGV do
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
    redis.call('XDEL', KEYS[1], ARGV[i])
  end
  return #ARGV - 1
`);

/**
 * Copies a pending entry with its error to the dead letters, then acknowledges and removes it. A script and not MULTI:
 * the first command that fails ends a script, so an entry whose copy was refused stays. An entry that is not pending
 * any more is left alone.
 * KEYS: entries, dead letters. ARGV: group, stream id, error, deliveries, time, how many dead letters to keep.
 */
export const DEAD_LETTER = new RedisScript(`
  local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1)
  if #pending == 0 then return 0 end
  local found = redis.call('XRANGE', KEYS[1], ARGV[2], ARGV[2])
  local letter = {}
  if found[1] then
    -- Lua cannot unpack more than a few thousand values; a real entry has 16.
    for i = 1, math.min(#found[1][2], 1000) do letter[i] = found[1][2][i] end
  end
  for _, value in ipairs({
    'error', ARGV[3], 'deliveries', ARGV[4], 'dead_lettered_at', ARGV[5], 'entry', ARGV[2]
  }) do
    letter[#letter + 1] = value
  end
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[6], '*', unpack(letter))
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
  return 1
`);
