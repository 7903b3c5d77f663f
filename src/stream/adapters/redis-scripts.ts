import { RedisScript } from '../../infra/redis/index.js';

/** Members of the index: its kind (`e`: entry, `d`: dead letter), the user with its length before it, the stream id. */
export const MEMBER_OF = `
  local function member_of(kind, user, stream_id)
    return kind .. #user .. ':' .. user .. ':' .. stream_id
  end
  local function user_in(fields)
    for i = 1, #fields, 2 do
      if fields[i] == 'user_id' then return fields[i + 1] end
    end
  end
`;

/**
 * Appends entries, in order, unless their ids are known.
 * KEYS: entries, known ids, index. ARGV: how many ids to remember, then for each entry its id, its user, how many values
 * follow, and field, value, field, value …
 * An id is recorded after its entry: were it recorded first and the XADD refused, a resend would be taken for done.
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
 * KEYS: entries, index. ARGV: group, most ids, then for each entry its user, the milliseconds and the sequence of its stream
 * id. Returns for each how many there are, and the stream ids.
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
 * Appends the entry of a dead letter once more and removes the letter, unless somebody has done so. Its id, which is known,
 * is recorded as the newest one.
 * KEYS: entries, dead letters, known ids, index. ARGV: id of the letter, id, how many ids to remember, user, then field,
 * value …
 * The letter goes after the entry is there: were it removed first and the XADD refused, both would be lost.
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
 * Removes consumers that hold nothing and have not asked for anything for long. In one script, because removing a
 * consumer removes what it holds from the group: one that comes back between the look and the removal would lose entries.
 * KEYS: entries. ARGV: group, consumer that stays, how long it must have been idle (ms).
 * Returns the names.
 */
export const REMOVE_GONE_CONSUMERS = new RedisScript(`
  local removed = {}
  if redis.call('EXISTS', KEYS[1]) == 0 then return removed end
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local consumer = {}
    for i = 1, #flat, 2 do consumer[flat[i]] = flat[i + 1] end
    if consumer.pending == 0 and consumer.idle >= tonumber(ARGV[3]) and consumer.name ~= ARGV[2] then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
      removed[#removed + 1] = consumer.name
    end
  end
  return removed
`);
