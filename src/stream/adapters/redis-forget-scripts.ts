import { RedisScript } from '../../infra/redis/index.js';
import { MEMBER_OF } from './redis-scripts.js';

/**
 * Removes what the index has of a user: entries with their acknowledgement, and dead letters. In the first portion it also
 * notes the newest entry: what is not in the index (other programs append without it) and is no newer is dropped when it is
 * read.
 * KEYS: entries, dead letters, index, forgotten. ARGV: group, user, most to remove, how long to remember, whether it is the
 * first portion. Returns how many there were, and whether there may be more.
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
