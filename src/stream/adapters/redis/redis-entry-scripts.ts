import { RedisScript } from '../../../infra/redis/index.js';
import { MEMBER_OF } from './redis-index-members.js';

/**
 * Appends entries, in order, unless their ids are known.
 * KEYS: entries, known ids, index. ARGV: how many ids to remember, then for each entry its id, its user, how many
 * values follow, and field, value, field, value … An id is recorded after its entry: were it recorded first and the
 * XADD refused, a resend would be taken for done.
 */
export const APPEND = new RedisScript(`
  ${MEMBER_OF}
  redis.call('ZCARD', KEYS[3])
  local now = redis.call('TIME')
  local at = now[1] * 1000 + math.floor(now[2] / 1000)
  local next = 2
  while next <= #ARGV do
    local id, user, last = ARGV[next], ARGV[next + 1], next + 2 + tonumber(ARGV[next + 2])
    if not redis.call('ZSCORE', KEYS[2], id) then
      local stream_id = redis.call('XADD', KEYS[1], '*', unpack(ARGV, next + 3, last))
      redis.call('ZADD', KEYS[3], 0, member_of('e', user, stream_id))
      redis.call('ZADD', KEYS[2], at, id)
    end
    next = last + 1
  end
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -tonumber(ARGV[1]) - 1)
  return 1
`);

/**
 * Acknowledges entries and removes them from the stream, which bounds its length by what is not processed.
 * KEYS: entries, index. ARGV: group, then for each entry its stream id and its user.
 */
export const ACKNOWLEDGE = new RedisScript(`
  ${MEMBER_OF}
  for i = 2, #ARGV, 2 do
    redis.call('XACK', KEYS[1], ARGV[1], ARGV[i])
    redis.call('XDEL', KEYS[1], ARGV[i])
    redis.call('ZREM', KEYS[2], member_of('e', ARGV[i + 1], ARGV[i]))
  end
`);

/**
 * What users have in the stream before an entry. The sequence within a millisecond is compared as a number: `10` comes
 * before `2` in the index. A member without its entry, which somebody deleted by hand, leaves the index.
 * KEYS: entries, index. ARGV: group, most ids, then for each entry its user, the milliseconds and the sequence of its
 * stream id. Returns for each how many there are, and the stream ids.
 */
export const EARLIER = new RedisScript(`
  ${MEMBER_OF}
  local group, most = ARGV[1], tonumber(ARGV[2])
  local function is_there(id)
    return #redis.call('XPENDING', KEYS[1], group, id, id, 1) > 0 or #redis.call('XRANGE', KEYS[1], id, id) > 0
  end
  local replies = {}
  for i = 3, #ARGV, 3 do
    local prefix = member_of('e', ARGV[i], '')
    local millisecond, sequence = prefix .. ARGV[i + 1] .. '-', tonumber(ARGV[i + 2])
    local count, ids = 0, {}
    local function take(member)
      local id = string.sub(member, #prefix + 1)
      if is_there(id) then
        ids[#ids + 1] = id
      else
        redis.call('ZREM', KEYS[2], member)
        count = count - 1
      end
    end
    -- A full stop comes after the hyphen.
    local before = '(' .. prefix .. ARGV[i + 1] .. '.'
    for _, member in ipairs(redis.call('ZRANGE', KEYS[2], before, '[' .. millisecond, 'BYLEX', 'REV')) do
      if tonumber(string.sub(member, #millisecond + 1)) < sequence then
        count = count + 1
        if #ids < most then take(member) end
      end
    end
    local first, last = '[' .. prefix, '(' .. millisecond
    count = count + redis.call('ZLEXCOUNT', KEYS[2], first, last)
    if #ids < most then
      local members = redis.call('ZRANGE', KEYS[2], last, first, 'BYLEX', 'REV', 'LIMIT', 0, most - #ids)
      for _, member in ipairs(members) do take(member) end
    end
    replies[#replies + 1] = { count, ids }
  end
  return replies
`);

/**
 * Sets the idle time of entries back to zero, of those that are still pending for the consumer, without counting a
 * delivery. A bare XCLAIM would take back what another consumer has taken over meanwhile.
 * KEYS: entries. ARGV: group, consumer, then the entries' stream ids.
 */
export const RENEW = new RedisScript(`
  for i = 3, #ARGV do
    if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2]) > 0 then
      redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
    end
  end
  return #ARGV - 2
`);

/**
 * Removes what the index has of a user: entries with their acknowledgement, and dead letters. In the first portion it
 * also notes the newest entry: what is not in the index (other programs append without it) and is no newer is dropped
 * when it is read. KEYS: entries, dead letters, index, forgotten. ARGV: group, user, most to remove, how long to
 * remember, whether it is the first portion. Returns how many there were, and whether there may be more.
 */
export const FORGET_ENTRIES = new RedisScript(`
  ${MEMBER_OF}
  local group, user, most = ARGV[1], ARGV[2], tonumber(ARGV[3])
  if ARGV[5] == '1' then
    local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
    if newest then
      redis.call('HSET', KEYS[4], user, newest[1])
      redis.call('HPEXPIRE', KEYS[4], ARGV[4], 'FIELDS', 1, user)
    end
  end
  local looked, removed = 0, 0
  for _, kind in ipairs({ 'e', 'd' }) do
    local prefix = member_of(kind, user, '')
    -- A colon comes after every character of a stream id.
    local members = redis.call('ZRANGE', KEYS[3], '[' .. prefix, '(' .. prefix .. ':', 'BYLEX', 'LIMIT', 0, most - looked)
    for _, member in ipairs(members) do
      local id = string.sub(member, #prefix + 1)
      if kind == 'e' then redis.call('XACK', KEYS[1], group, id) end
      removed = removed + redis.call('XDEL', kind == 'e' and KEYS[1] or KEYS[2], id)
      redis.call('ZREM', KEYS[3], member)
    end
    looked = looked + #members
  end
  return { removed, looked == most and 1 or 0 }
`);
