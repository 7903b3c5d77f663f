import { RedisScript } from '../../../../infra/redis/index.js';
import { IS_WAITING, MEET_WRONG_TYPES, NAMES } from './redis-script-arguments.js';
import { ADD, LINKS, RECORDS, REMOVE } from './redis-script-parts.js';
import { CHANGE_TERMS, TERMS } from './redis-term-scripts.js';

/**
 * Looks through a page of a user's memories for those without a vector of the one generation that it is given.
 * ARGV: cursor, how many to look at, about. Returns the next cursor ('0' at the end) and the ids found.
 */
export const FIND_UNEMBEDDED = new RedisScript(`
  ${NAMES}
  local cursor, page = unpack(redis.call('HSCAN', items, ARGV[1], 'COUNT', ARGV[2], 'NOVALUES'))
  local pending = {}
  for _, id in ipairs(page) do
    if redis.call('VISMEMBER', vectors, id) == 0 then pending[#pending + 1] = id end
  end
  return { cursor, pending }
`);

/** Returns how many memories there are, and how many have a vector of the one generation given. */
export const COUNT_EMBEDDED = new RedisScript(`
  ${NAMES}
  return { redis.call('ZCARD', ids), redis.call('VCARD', vectors) }
`);

/** Gives a memory, if it is still there, its vector of the one generation given. ARGV: id, vector. */
export const PUT_REEMBEDDED = new RedisScript(`
  ${NAMES}
  if redis.call('HEXISTS', items, ARGV[1]) == 1 then redis.call('VADD', vectors, 'FP32', ARGV[2], ARGV[1]) end
`);

/**
 * Finds, in one page of a user's memories, those without index words or with words of another version. With the first
 * page it also reads the shadow buffer of an older release.
 * ARGV: cursor, approximate page size, version, time. Returns the next cursor ('0' at the end) and the ids found.
 */
export const FIND_UNINDEXED = new RedisScript(`
  ${NAMES} ${RECORDS} ${IS_WAITING}
  local cursor, page = unpack(redis.call('HSCAN', items, ARGV[1], 'COUNT', ARGV[2], 'NOVALUES'))
  local pending = {}
  for _, id in ipairs(page) do
    local record = read_record(id)
    if not record or record.version ~= ARGV[3] then pending[#pending + 1] = id end
  end
  if ARGV[1] == '0' then
    for _, id in ipairs(redis.call('HKEYS', shadow_items)) do
      if is_waiting(id, ARGV[4]) then pending[#pending + 1] = id end
    end
  end
  return { cursor, pending }
`);

/** ARGV: version, time. Returns how many memories there are, with those to be, and how many are in the index. */
export const COUNT_INDEXED = new RedisScript(`
  ${NAMES}
  local waiting = redis.call('ZCOUNT', shadow_expiry, '(' .. ARGV[2], '+inf')
  return { redis.call('ZCARD', ids) + waiting, tonumber(redis.call('HGET', totals, 'version:' .. ARGV[1]) or 0) }
`);

/**
 * Indexes a memory anew. An entry in the shadow buffer of an older release becomes a memory, with its vector of the
 * given generation.
 * ARGV: time, most memories, most bytes, memory (see {@link ADD}). Returns whether there is more to remove.
 */
export const REINDEX = new RedisScript(`
  ${NAMES} ${MEET_WRONG_TYPES} ${TERMS} ${CHANGE_TERMS} ${RECORDS} ${LINKS} ${REMOVE} ${ADD} ${IS_WAITING}
  local memory = memory_at(4)
  local id = memory.id
  local function leave_buffer()
    redis.call('ZREM', shadow_ids, id)
    redis.call('HDEL', shadow_items, id)
    redis.call('ZREM', shadow_expiry, id)
    redis.call('VREM', shadow_vectors, id)
    if redis.call('ZCOUNT', shadow_expiry, '(' .. ARGV[1], '+inf') > 0 then return end
    for _, key in ipairs({ shadow_ids, shadow_items, shadow_expiry, shadow_vectors }) do redis.call('UNLINK', key) end
  end
  if redis.call('HEXISTS', items, id) == 0 then
    if not is_waiting(id, ARGV[1]) then return 0 end
    local same = redis.call('HGET', texts, memory.digest)
    local components = redis.call('VEMB', shadow_vectors, id)
    if same then
      count_again(same, memory)
    elseif components then
      local arguments = { 'VADD', vectors, 'VALUES', #components }
      for _, component in ipairs(components) do arguments[#arguments + 1] = component end
      arguments[#arguments + 1] = id
      redis.call(unpack(arguments))
      redis.call('HSET', items, id, redis.call('HGET', shadow_items, id))
    end
    leave_buffer()
    if same or not components then return 0 end
  end
  local record = read_record(id)
  if record then
    remove_terms(record.number, record.words)
    add_to_totals(id, record, -1)
    if redis.call('HGET', texts, record.digest) == id then redis.call('HDEL', texts, record.digest) end
    redis.call('HDEL', index, id)
  end
  add_to_index(memory, rarest_of(memory.words), record and record.number or redis.call('HINCRBY', totals, 'last_number', 1))
  redis.call('ZADD', ids, memory.created, id)
  if not redis.call('ZSCORE', pinned, id) then redis.call('ZADD', retention, memory.retention, id) end
  return make_room(tonumber(ARGV[2]), tonumber(ARGV[3]))
`);

/** Sets the space of a store that has none. KEYS: spaces. ARGV: model, dimensions. */
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
