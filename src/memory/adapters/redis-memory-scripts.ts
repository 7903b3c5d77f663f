import { IS_LATE, RedisScript, type UserMemoryKeys } from '../../infra/redis/index.js';

/**
 * The keys that every script on one user's memories is given, in the order of {@link NAMES}: the fixed ones, then the
 * vector sets of both tiers for each embedding generation, the current one first.
 */
export function scriptKeys(user: UserMemoryKeys, generations: readonly number[]): string[] {
  return [
    ...[user.memory.ids, user.memory.items, user.repetitions, user.lastSeen],
    ...[user.shadow.ids, user.shadow.items, user.shadowExpiry],
    ...[user.decisions, user.decisionTimes, user.statistics, user.forgetMark],
    ...generations.flatMap((generation) => [user.memory.vectors(generation), user.shadow.vectors(generation)]),
  ];
}

const NAMES = `
  local ids, items, repetitions, last_seen = unpack(KEYS, 1, 4)
  local shadow_ids, shadow_items, shadow_expiry = unpack(KEYS, 5, 7)
  local decisions, decision_times, statistics, forget_mark = unpack(KEYS, 8, 11)
  local vectors, shadow_vectors = KEYS[12], KEYS[13]
`;

/**
 * A script is not undone when it fails in the middle. What could make a later command fail is therefore met first, while
 * nothing is written: keys of another type here, and vectors of other dimensions because VADD comes before every other
 * write. A server that refuses to write, for want of memory or disk, refuses the first write as well.
 */
const MEET_WRONG_TYPES = `
  for _, key in ipairs({ ids, shadow_ids, shadow_expiry, decision_times }) do redis.call('ZCARD', key) end
  for _, key in ipairs({ items, repetitions, last_seen, shadow_items, decisions, statistics }) do redis.call('HLEN', key) end
  redis.call('STRLEN', forget_mark)
  for i = 12, #KEYS do redis.call('VCARD', KEYS[i]) end
`;

const IS_NEW_USER = `
  local function is_new_user()
    return redis.call('EXISTS', ids, shadow_ids) == 0
  end
`;

const ADD_MEMORY = `
  local function add_memory(id, body, vector)
    redis.call('VADD', vectors, 'FP32', vector, id)
    redis.call('HSET', items, id, body)
    redis.call('ZADD', ids, 0, id)
  end
`;

const DROP = `
  local function drop_memory(id)
    for i = 12, #KEYS, 2 do redis.call('VREM', KEYS[i], id) end
    for _, key in ipairs({ items, repetitions, last_seen }) do redis.call('HDEL', key, id) end
    return redis.call('ZREM', ids, id)
  end
  local function drop_shadow(id)
    for i = 13, #KEYS, 2 do redis.call('VREM', KEYS[i], id) end
    redis.call('HDEL', shadow_items, id)
    redis.call('ZREM', shadow_ids, id)
    redis.call('ZREM', shadow_expiry, id)
  end
`;

const IS_WAITING = `
  local function is_waiting(id, now)
    local expires = redis.call('ZSCORE', shadow_expiry, id)
    return expires and tonumber(expires) > tonumber(now)
  end
`;

/**
 * What has changed since the body was written stands beside it, so that no script has to read and write JSON. All are read by
 * three commands, not each by three: what a command costs a script is more than what it does here.
 */
const READ_MEMORIES = `
  -- unpack finds room for a few thousand values.
  local PORTION = 1000
  local function read_memories(wanted)
    local rows = {}
    for first = 1, #wanted, PORTION do
      local portion = { unpack(wanted, first, math.min(first + PORTION - 1, #wanted)) }
      local bodies = redis.call('HMGET', items, unpack(portion))
      local repeated = redis.call('HMGET', repetitions, unpack(portion))
      local seen = redis.call('HMGET', last_seen, unpack(portion))
      for i, id in ipairs(portion) do rows[#rows + 1] = { id, bodies[i], repeated[i], seen[i] } end
    end
    return rows
  end
`;

/**
 * Keeps a memory unless its id is kept, or its user was forgotten since it was begun.
 * ARGV: id, body, vector, mark carried. Returns whether it is new, and whether the user had nothing before.
 */
export const PUT = new RedisScript(`
  ${NAMES} ${MEET_WRONG_TYPES} ${IS_NEW_USER} ${ADD_MEMORY} ${DROP} ${IS_LATE}
  if redis.call('HEXISTS', items, ARGV[1]) == 1 or is_late(forget_mark, ARGV[4]) then return { 0, 0 } end
  local is_new = is_new_user() and 1 or 0
  add_memory(ARGV[1], ARGV[2], ARGV[3])
  drop_shadow(ARGV[1])
  return { 1, is_new }
`);

/**
 * ARGV: the id after which to go on as a bound of BYLEX, how many.
 * Returns id, body, repetitions and time last seen of each.
 */
export const LIST = new RedisScript(`
  ${NAMES} ${READ_MEMORIES}
  return read_memories(redis.call('ZRANGE', ids, ARGV[1], '-', 'BYLEX', 'REV', 'LIMIT', 0, ARGV[2]))
`);

/**
 * ARGV: vector, how many, least similarity, whether the shadow buffer too, time, how thoroughly (EF).
 * Returns tier, similarity, id, body, repetitions and time last seen of each.
 */
export const SEARCH = new RedisScript(`
  ${NAMES} ${IS_WAITING} ${READ_MEMORIES}
  local limit, least, now = tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[5]
  local found = {}
  local function look_in(set, tier, count)
    local reply = redis.call('VSIM', set, 'FP32', ARGV[1], 'WITHSCORES', 'COUNT', count, 'EF', ARGV[6])
    for i = 1, #reply, 2 do
      local similarity = 2 * tonumber(reply[i + 1]) - 1
      if similarity >= least and (tier == 'memory' or is_waiting(reply[i], now)) then
        found[#found + 1] = { tier = tier, id = reply[i], similarity = similarity }
      end
    end
  end
  look_in(vectors, 'memory', limit)
  if ARGV[4] == '1' then
    -- As many more as have expired, so that these take no place.
    look_in(shadow_vectors, 'shadow', limit + redis.call('ZCOUNT', shadow_expiry, '-inf', now))
  end
  table.sort(found, function(a, b)
    if a.similarity ~= b.similarity then return a.similarity > b.similarity end
    return a.id > b.id
  end)
  for i = limit + 1, #found do found[i] = nil end
  local kept_ids, kept = {}, {}
  for _, one in ipairs(found) do
    if one.tier == 'memory' then kept_ids[#kept_ids + 1] = one.id end
  end
  for _, row in ipairs(read_memories(kept_ids)) do kept[row[1]] = row end
  local rows = {}
  for _, one in ipairs(found) do
    local row = one.tier == 'memory' and kept[one.id]
      or { one.id, redis.call('HGET', shadow_items, one.id), false, false }
    if row[2] then rows[#rows + 1] = { one.tier, string.format('%.17g', one.similarity), unpack(row) } end
  end
  return rows
`);

/**
 * The nearest among few.
 * KEYS: a vector set. ARGV: vector, how thoroughly (EF), how many are few. Returns id and score, or nothing where there are more.
 */
export const NEAREST_OF_FEW = new RedisScript(`
  if redis.call('VCARD', KEYS[1]) > tonumber(ARGV[3]) then return false end
  return redis.call('VSIM', KEYS[1], 'FP32', ARGV[1], 'WITHSCORES', 'COUNT', 1, 'EF', ARGV[2])
`);

/** ARGV: id, time. Returns whether there was one, in either tier. */
export const DELETE = new RedisScript(`
  ${NAMES} ${MEET_WRONG_TYPES} ${DROP} ${IS_WAITING}
  local waited = is_waiting(ARGV[1], ARGV[2])
  local was_kept = drop_memory(ARGV[1]) == 1
  drop_shadow(ARGV[1])
  return (waited or was_kept) and 1 or 0
`);

/**
 * Moves an entry of the shadow buffer to the memories.
 * ARGV: id, its new body, vector, time. Returns whether there was one.
 */
export const PROMOTE = new RedisScript(`
  ${NAMES} ${MEET_WRONG_TYPES} ${ADD_MEMORY} ${DROP} ${IS_WAITING}
  if not is_waiting(ARGV[1], ARGV[4]) then return 0 end
  add_memory(ARGV[1], ARGV[2], ARGV[3])
  drop_shadow(ARGV[1])
  return 1
`);

/**
 * Writes a judgement.
 * ARGV: id of the decision, decision, time decided, mark carried, time now, how many decisions and how many entries of
 * the shadow buffer to keep; then the effect: its kind, id, body, vector, time (when it expires or was seen); then for
 * each step of the statistics: model, decay, addends with spaces between them.
 * Returns the outcome, and whether the user had nothing before.
 */
export const RECORD = new RedisScript(`
  ${NAMES} ${MEET_WRONG_TYPES} ${IS_NEW_USER} ${ADD_MEMORY} ${DROP} ${IS_LATE}
  -- Without it one call after a long pause would hold the server while it removes them all; the next call goes on.
  local MOST_REMOVED = 100
  local function put_in_shadow(id, body, vector, expires)
    redis.call('VADD', shadow_vectors, 'FP32', vector, id)
    redis.call('HSET', shadow_items, id, body)
    redis.call('ZADD', shadow_ids, 0, id)
    redis.call('ZADD', shadow_expiry, expires, id)
    -- The buffer of a user who never comes back vanishes with its last entry.
    local buffer = { shadow_ids, shadow_items, shadow_expiry }
    for i = 13, #KEYS, 2 do buffer[#buffer + 1] = KEYS[i] end
    for _, key in ipairs(buffer) do
      redis.call('PEXPIREAT', key, expires, 'NX')
      redis.call('PEXPIREAT', key, expires, 'GT')
    end
  end
  local function strengthen(id, seen)
    redis.call('HINCRBY', repetitions, id, 1)
    local last = redis.call('HGET', last_seen, id)
    if not last or tonumber(seen) > tonumber(last) then redis.call('HSET', last_seen, id, seen) end
  end
  local function trim_shadow(now, most)
    local expired = redis.call('ZRANGEBYSCORE', shadow_expiry, '-inf', now, 'LIMIT', 0, MOST_REMOVED)
    for _, id in ipairs(expired) do drop_shadow(id) end
    local excess = redis.call('ZCARD', shadow_ids) - most
    if excess <= 0 or #expired == MOST_REMOVED then return end
    for _, id in ipairs(redis.call('ZRANGE', shadow_ids, 0, math.min(excess, MOST_REMOVED) - 1)) do drop_shadow(id) end
  end
  local function trim_decisions(most)
    local excess = redis.call('ZCARD', decision_times) - most
    if excess <= 0 then return end
    for _, id in ipairs(redis.call('ZRANGE', decision_times, 0, math.min(excess, MOST_REMOVED) - 1)) do
      redis.call('ZREM', decision_times, id)
      redis.call('HDEL', decisions, id)
    end
  end
  local function numbers_in(text)
    local numbers = {}
    for word in string.gmatch(text, '%S+') do
      local number = tonumber(word)
      -- Sums that cannot be read begin anew, as they are read.
      if not number then return {} end
      numbers[#numbers + 1] = number
    end
    return numbers
  end
  local function step_statistics(model, decay, addends)
    local sums = numbers_in(redis.call('HGET', statistics, model) or '')
    local stepped = {}
    for i = 1, math.max(#sums, #addends) do
      stepped[i] = string.format('%.17g', (sums[i] or 0) * decay + (addends[i] or 0))
    end
    redis.call('HSET', statistics, model, table.concat(stepped, ' '))
  end

  local decision_id, decision, decided, carried, now, most_decisions, most_shadow = unpack(ARGV, 1, 7)
  local kind, id, body, vector, time = unpack(ARGV, 8, 12)
  if redis.call('HEXISTS', decisions, decision_id) == 1 then return { 'known', 0 } end
  if is_late(forget_mark, carried) then return { 'forgotten', 0 } end

  local is_new = is_new_user() and 1 or 0
  local is_kept = redis.call('HEXISTS', items, id) == 1
  if kind == 'strengthen' then
    if is_kept then strengthen(id, time) end
  elseif not is_kept then
    if kind == 'keep' then
      add_memory(id, body, vector)
      drop_shadow(id)
    else
      put_in_shadow(id, body, vector, time)
    end
  end
  redis.call('HSET', decisions, decision_id, decision)
  redis.call('ZADD', decision_times, decided, decision_id)
  trim_decisions(tonumber(most_decisions))
  trim_shadow(now, tonumber(most_shadow))
  for i = 13, #ARGV, 3 do step_statistics(ARGV[i], tonumber(ARGV[i + 1]), numbers_in(ARGV[i + 2])) end
  return { 'recorded', is_new }
`);

/** ARGV: how many. Returns id and decision of each, newest first. */
export const DECISIONS = new RedisScript(`
  ${NAMES}
  local page = redis.call('ZRANGE', decision_times, 0, tonumber(ARGV[1]) - 1, 'REV')
  for i, id in ipairs(page) do page[i] = { id, redis.call('HGET', decisions, id) } end
  return page
`);

/**
 * Sets the mark and removes every other key of the user, of whatever type it is.
 * ARGV: mark, how long to remember it. Returns how many memories there were.
 */
export const FORGET = new RedisScript(`
  ${NAMES}
  redis.call('SET', forget_mark, ARGV[1], 'PX', ARGV[2])
  local count = redis.pcall('ZCARD', ids)
  for _, key in ipairs(KEYS) do
    if key ~= forget_mark then redis.call('UNLINK', key) end
  end
  return type(count) == 'number' and count or 0
`);

/**
 * Looks through a page of a tier for entries without a vector of the one generation that it is given.
 * ARGV: tier, where to begin as a bound of BYLEX, how many to look at, time.
 * Returns the last id looked at (or nothing, at the end), and the ids found.
 */
export const FIND_PENDING = new RedisScript(`
  ${NAMES} ${IS_WAITING}
  local is_shadow = ARGV[1] == 'shadow'
  local set, bodies = vectors, items
  if is_shadow then set, bodies = shadow_vectors, shadow_items end
  local page = redis.call('ZRANGE', is_shadow and shadow_ids or ids, ARGV[2], '+', 'BYLEX', 'LIMIT', 0, ARGV[3])
  local pending = {}
  for _, id in ipairs(page) do
    local is_there = redis.call('HEXISTS', bodies, id) == 1 and (not is_shadow or is_waiting(id, ARGV[4]))
    if is_there and redis.call('VISMEMBER', set, id) == 0 then pending[#pending + 1] = id end
  end
  return { #page == tonumber(ARGV[3]) and page[#page] or false, pending }
`);

/** ARGV: time. Returns how many there are in both tiers, and how many have a vector of the one generation given. */
export const PROGRESS = new RedisScript(`
  ${NAMES}
  local waiting = redis.call('ZRANGEBYSCORE', shadow_expiry, '(' .. ARGV[1], '+inf')
  local done = redis.call('VCARD', vectors)
  for _, id in ipairs(waiting) do done = done + redis.call('VISMEMBER', shadow_vectors, id) end
  return { redis.call('ZCARD', ids) + #waiting, done }
`);

/** Gives an entry, if it is still there, its vector of the one generation given. ARGV: tier, id, vector. */
export const PUT_REEMBEDDED = new RedisScript(`
  ${NAMES}
  if ARGV[1] == 'memory' then
    if redis.call('HEXISTS', items, ARGV[2]) == 1 then redis.call('VADD', vectors, 'FP32', ARGV[3], ARGV[2]) end
    return
  end
  if redis.call('HEXISTS', shadow_items, ARGV[2]) == 0 then return end
  redis.call('VADD', shadow_vectors, 'FP32', ARGV[3], ARGV[2])
  local expires = redis.call('PEXPIRETIME', shadow_items)
  if expires > 0 then redis.call('PEXPIREAT', shadow_vectors, expires) end
`);

/** Takes a space for the store's own where it has none. KEYS: spaces. ARGV: model, dimensions. */
export const CLAIM_SPACE = new RedisScript(`
  if redis.call('HEXISTS', KEYS[1], 'generation') == 1 then return end
  local generation = redis.call('HINCRBY', KEYS[1], 'last_generation', 1)
  redis.call('HSET', KEYS[1], 'generation', generation, 'model', ARGV[1], 'dimensions', ARGV[2])
`);

/**
 * Begins a move, unless it is the one under way. The vectors of a move that is given up are left to be dropped.
 * KEYS: spaces. ARGV: model, dimensions.
 */
export const BEGIN_REEMBEDDING = new RedisScript(`
  local next = redis.call('HMGET', KEYS[1], 'next_generation', 'next_model', 'next_dimensions')
  if next[2] == ARGV[1] and next[3] == ARGV[2] then return end
  if next[1] then redis.call('HSET', KEYS[1], 'abandoned:' .. next[1], 1) end
  local generation = redis.call('HINCRBY', KEYS[1], 'last_generation', 1)
  redis.call('HSET', KEYS[1], 'next_generation', generation, 'next_model', ARGV[1], 'next_dimensions', ARGV[2])
`);

/** Makes the next space the current one. The old vectors are left to be dropped. KEYS: spaces. */
export const FINISH_REEMBEDDING = new RedisScript(`
  local next = redis.call('HMGET', KEYS[1], 'next_generation', 'next_model', 'next_dimensions')
  if not next[1] then return end
  local old = redis.call('HGET', KEYS[1], 'generation')
  if old then redis.call('HSET', KEYS[1], 'abandoned:' .. old, 1) end
  redis.call('HSET', KEYS[1], 'generation', next[1], 'model', next[2], 'dimensions', next[3])
  redis.call('HDEL', KEYS[1], 'next_generation', 'next_model', 'next_dimensions')
`);
