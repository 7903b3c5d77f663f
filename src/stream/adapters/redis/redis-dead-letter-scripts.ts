import { RedisScript } from '../../../infra/redis/index.js';
import { MEMBER_OF } from './redis-index-members.js';

/**
 * Copies a pending entry with its error to the dead letters, then acknowledges and removes it. A script and not MULTI:
 * the first command that fails ends a script, so an entry whose copy was refused stays. An entry that is not pending
 * any more is left alone.
 * KEYS: entries, dead letters, index. ARGV: group, stream id, error, deliveries, time, how many dead letters to keep.
 */
export const DEAD_LETTER = new RedisScript(`
  ${MEMBER_OF}
  redis.call('ZCARD', KEYS[3])
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
  local letter_id = redis.call('XADD', KEYS[2], '*', unpack(letter))
  redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
  redis.call('XDEL', KEYS[1], ARGV[2])
  local user = found[1] and user_in(found[1][2])
  if user then
    redis.call('ZREM', KEYS[3], member_of('e', user, ARGV[2]))
    redis.call('ZADD', KEYS[3], 0, member_of('d', user, letter_id))
  end
  -- One by one, because the index has to lose them as well; more at once would hold the server.
  local excess = math.min(redis.call('XLEN', KEYS[2]) - tonumber(ARGV[6]), 100)
  if excess <= 0 then return 1 end
  for _, old in ipairs(redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', excess)) do
    redis.call('XDEL', KEYS[2], old[1])
    local owner = user_in(old[2])
    if owner then redis.call('ZREM', KEYS[3], member_of('d', owner, old[1])) end
  end
  return 1
`);

/**
 * Appends the entry of a dead letter once more and removes the letter, unless somebody has done so. Its id, which is
 * known, is recorded as the newest one. KEYS: entries, dead letters, known ids, index. ARGV: id of the letter, id, how
 * many ids to remember, user, then field, value … The letter goes after the entry is there: were it removed first and
 * the XADD refused, both would be lost.
 */
export const REQUEUE = new RedisScript(`
  ${MEMBER_OF}
  redis.call('ZCARD', KEYS[4])
  if #redis.call('XRANGE', KEYS[2], ARGV[1], ARGV[1]) == 0 then return 0 end
  local stream_id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, 5))
  redis.call('XDEL', KEYS[2], ARGV[1])
  redis.call('ZADD', KEYS[4], 0, member_of('e', ARGV[4], stream_id))
  redis.call('ZREM', KEYS[4], member_of('d', ARGV[4], ARGV[1]))
  local now = redis.call('TIME')
  redis.call('ZADD', KEYS[3], now[1] * 1000 + math.floor(now[2] / 1000), ARGV[2])
  redis.call('ZREMRANGEBYRANK', KEYS[3], 0, -tonumber(ARGV[3]) - 1)
  return 1
`);

/** Removes a dead letter. KEYS: dead letters, index. ARGV: its id. Returns whether there was one. */
export const DROP_DEAD_LETTER = new RedisScript(`
  ${MEMBER_OF}
  local letter = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
  if not letter then return 0 end
  redis.call('XDEL', KEYS[1], ARGV[1])
  local user = user_in(letter[2])
  if user then redis.call('ZREM', KEYS[2], member_of('d', user, ARGV[1])) end
  return 1
`);

/**
 * Enters a page of dead letters into the index: those that release 0.1.0 wrote. Once all are there, a member says so.
 * KEYS: dead letters, index. ARGV: where to begin, how many. Returns the last id looked at, or nothing at the end.
 */
export const INDEX_DEAD_LETTERS = new RedisScript(`
  ${MEMBER_OF}
  if redis.call('ZSCORE', KEYS[2], 'letters') then return false end
  local page = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
  for _, letter in ipairs(page) do
    local user = user_in(letter[2])
    if user then redis.call('ZADD', KEYS[2], 0, member_of('d', user, letter[1])) end
  end
  if #page == tonumber(ARGV[2]) then return page[#page][1] end
  redis.call('ZADD', KEYS[2], 0, 'letters')
  return false
`);
