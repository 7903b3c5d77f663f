import { IS_LATE, RedisScript } from '../../../../infra/redis/index.js';
import { MEET_WRONG_TYPES, NAMES } from './redis-script-arguments.js';
import { ADD, LINKS, RECORDS, REMOVE } from './redis-script-parts.js';
import { CHANGE_TERMS, TERMS } from './redis-term-scripts.js';

const PREPARE = `${NAMES} ${MEET_WRONG_TYPES}`;
const CHANGES = `${TERMS} ${CHANGE_TERMS} ${RECORDS} ${LINKS} ${REMOVE}`;
const IS_NEW_USER = `
  local function is_new_user()
    return redis.call('EXISTS', ids) == 0
  end
`;

/**
 * Stores a memory, unless its user was forgotten since its forget mark was read.
 * ARGV: forget mark of the message, most memories, most bytes, id of the superseded memory or '', how it is superseded
 * ('time score reason'), id of the later memory that supersedes this one or '', how this one is superseded, memory (see
 * {@link ADD}).
 * Returns the outcome, the id, whether the user had nothing before, and whether there is more to remove.
 */
export const PUT = new RedisScript(`
  ${PREPARE} ${CHANGES} ${ADD} ${IS_LATE} ${IS_NEW_USER}
  local outdated, how_outdated, later, how_superseded = unpack(ARGV, 4, 7)
  local memory = memory_at(8)
  if is_late(forget_mark, ARGV[1]) then return { 'forgotten', memory.id, 0, 0 } end
  local is_new = is_new_user() and 1 or 0
  local status, id = put(memory)
  if status == 'new' then
    if outdated ~= '' then supersede_earlier(outdated, id, how_outdated) end
    if later ~= '' and redis.call('HEXISTS', items, later) == 1 then supersede(id, later, how_superseded) end
  end
  return { status, id, is_new, make_room(tonumber(ARGV[2]), tonumber(ARGV[3])) }
`);

/**
 * Supersedes a memory by a new one, or by the one that has the new text already.
 * ARGV: id of the other, time, most memories, most bytes, memory (see {@link ADD}).
 * Returns the outcome, the id and whether there is more to remove; nothing if there is no such memory.
 */
export const REPLACE = new RedisScript(`
  ${PREPARE} ${CHANGES} ${ADD}
  local old, at, memory = ARGV[1], ARGV[2], memory_at(5)
  if redis.call('HEXISTS', items, old) == 0 then return false end
  if redis.call('HEXISTS', items, memory.id) == 1 then return { 'known', memory.id, 0 } end
  local status, id = put(memory)
  supersede_chain(old, id, at .. ' - edited')
  return { status, id, make_room(tonumber(ARGV[3]), tonumber(ARGV[4])) }
`);

/** Continues a removal. ARGV: most memories, most bytes. Returns whether there is more to remove. */
export const MAKE_ROOM = new RedisScript(`
  ${PREPARE} ${CHANGES}
  return make_room(tonumber(ARGV[1]), tonumber(ARGV[2]))
`);

/** ARGV: id. Returns whether there was one. */
export const DELETE = new RedisScript(`
  ${PREPARE} ${CHANGES}
  return remove(ARGV[1])
`);

/**
 * ARGV: id, expected body, new body, bytes of the new body, new pin ('' to keep the pin), retention, most memories,
 * most bytes. Returns whether it had the expected body, and whether there is more to remove.
 */
export const CHANGE = new RedisScript(`
  ${PREPARE} ${CHANGES}
  local id, old, new, bytes, pin, worth = unpack(ARGV, 1, 6)
  if redis.call('HGET', items, id) ~= old then return { 0, 0 } end
  if new ~= old then redis.call('HSET', items, id, new) end
  local record = read_record(id)
  if record then
    add_to_totals(id, record, -1)
    record.bytes = tonumber(bytes)
    write_record(id, record)
  end
  if pin ~= '' then
    local from, to = pinned, retention
    if pin == '1' then from, to = retention, pinned end
    redis.call('ZREM', from, id)
    redis.call('ZADD', to, worth, id)
  end
  if record then add_to_totals(id, record, 1) end
  return { 1, make_room(tonumber(ARGV[7]), tonumber(ARGV[8])) }
`);

/** Takes back that a memory was superseded. ARGV: id. */
export const REINSTATE = new RedisScript(`
  ${PREPARE} ${LINKS}
  free(ARGV[1])
`);

/** ARGV: time, ids of memories that were in a prompt. Their retention grows as `retention.ts` says. */
export const NOTE_RECALLED = new RedisScript(`
  ${PREPARE}
  local at = ARGV[1]
  for i = 2, #ARGV do
    local id = ARGV[i]
    if redis.call('HEXISTS', items, id) == 1 then
      local count = redis.call('HINCRBY', recalls, id, 1)
      local last = redis.call('HGET', last_recalled, id)
      if not last or tonumber(at) > tonumber(last) then redis.call('HSET', last_recalled, id, at) end
      for _, key in ipairs({ retention, pinned }) do
        local worth = redis.call('ZSCORE', key, id)
        if worth then
          local more = (1 + math.log(1 + count)) / (1 + math.log(count))
          redis.call('ZADD', key, string.format('%.17g', tonumber(worth) * more), id)
        end
      end
    end
  end
`);

/**
 * Writes a judgement.
 * ARGV: id of the decision, decision, time of the decision, forget mark of the message, most decisions, most memories,
 * most bytes, kind of the effect, id of the memory with the same text or '', id of the superseded memory or '', how it
 * is superseded ('time score reason'), number of arguments of the memory, the memory (see {@link ADD}); then for each
 * step of the statistics: model, decay, addends separated by spaces.
 * Returns the outcome, whether the user had nothing before, and whether there is more to remove.
 */
export const RECORD = new RedisScript(`
  ${PREPARE} ${CHANGES} ${ADD} ${IS_LATE} ${IS_NEW_USER}
  local function trim_decisions(most)
    local excess = redis.call('ZCARD', decision_times) - most
    if excess <= 0 then return end
    for _, id in ipairs(redis.call('ZRANGE', decision_times, 0, math.min(excess, MOST_REMOVED) - 1)) do
      redis.call('ZREM', decision_times, id)
      redis.call('HDEL', decisions, id)
    end
  end
  local function numbers_in(text)
    local found = {}
    for word in string.gmatch(text, '%S+') do
      local number = tonumber(word)
      -- Sums that cannot be read begin anew, as they are read.
      if not number then return {} end
      found[#found + 1] = number
    end
    return found
  end
  local function step_statistics(model, decay, addends)
    local sums = numbers_in(redis.call('HGET', statistics, model) or '')
    local stepped = {}
    for i = 1, math.max(#sums, #addends) do
      stepped[i] = string.format('%.17g', (sums[i] or 0) * decay + (addends[i] or 0))
    end
    redis.call('HSET', statistics, model, table.concat(stepped, ' '))
  end

  local decision_id, decision, decided, carried, most_decisions, most_memories, most_bytes = unpack(ARGV, 1, 7)
  local kind, duplicate_of, outdated, details, size = unpack(ARGV, 8, 12)
  if redis.call('HEXISTS', decisions, decision_id) == 1 then return { 'known', 0, 0 } end
  if is_late(forget_mark, carried) then return { 'forgotten', 0, 0 } end
  local memory = kind == 'keep' and memory_at(13)
  -- One that is there came with an earlier judgement of the same message, and was counted then.
  if memory and redis.call('HEXISTS', items, memory.id) == 1 then memory = nil end
  if memory and (redis.call('HGET', texts, memory.digest) or '') ~= duplicate_of then return { 'stale', 0, 0 } end

  local is_new = is_new_user() and 1 or 0
  if memory then
    put(memory)
    if outdated ~= '' then supersede_earlier(outdated, memory.id, details) end
  end
  redis.call('HSET', decisions, decision_id, decision)
  redis.call('ZADD', decision_times, decided, decision_id)
  trim_decisions(tonumber(most_decisions))
  for i = 13 + tonumber(size), #ARGV, 3 do step_statistics(ARGV[i], tonumber(ARGV[i + 1]), numbers_in(ARGV[i + 2])) end
  return { 'recorded', is_new, make_room(tonumber(most_memories), tonumber(most_bytes)) }
`);

/**
 * Sets the forget mark and removes every other key of the user, whatever its type. The last KEYS are the vector sets of
 * the shadow buffer.
 * ARGV: mark, its time to live. Returns the number of memories that there were.
 */
export const FORGET = new RedisScript(`
  ${NAMES} ${TERMS} ${CHANGE_TERMS}
  redis.call('SET', forget_mark, ARGV[1], 'PX', ARGV[2])
  local count = redis.pcall('ZCARD', ids)
  local sets = redis.pcall('HGETALL', terms)
  for i = 1, #sets, 2 do
    for chunk = 0, tonumber(sets[i + 1]) - 1 do redis.call('UNLINK', chunk_key(sets[i], chunk)) end
  end
  -- Where that key is broken, the memories know their terms.
  local records = sets.err and redis.pcall('HVALS', index) or {}
  for _, record in ipairs(records) do
    for _, word in ipairs((parse_words(string.match(record, '^%S+ %S+ %S+ %S+ %S+ (.*)$')))) do
      for chunk = 0, math.ceil(#records / CHUNK) do redis.call('UNLINK', chunk_key(word, chunk)) end
    end
  end
  for _, key in ipairs(KEYS) do
    if key ~= forget_mark then redis.call('UNLINK', key) end
  end
  return type(count) == 'number' and count or 0
`);
