import { RedisScript } from '../../../../infra/redis/index.js';
import { NAMES } from './redis-script-arguments.js';

/**
 * Fields that change after the body was written are kept beside it, so that no script has to read and write JSON. The
 * script reads column by column, not memory by memory: in a script the fixed cost of a command is larger than its work.
 */
const READ_COLUMNS = `
  local function read_columns(wanted)
    local columns = { wanted }
    for i = 2, 11 do columns[i] = {} end
    local function read(column, command, key)
      if redis.call('EXISTS', key) == 0 then return end
      for first = 1, #wanted, PORTION do
        local portion = { unpack(wanted, first, math.min(first + PORTION - 1, #wanted)) }
        for i, value in ipairs(redis.call(command, key, unpack(portion))) do columns[column][first + i - 1] = value end
      end
    end
    for i, key in ipairs({
      items, index, repetitions, last_seen, recalls, last_recalled, valid_from, superseded, supersedes,
    }) do read(i + 1, 'HMGET', key) end
    read(11, 'ZMSCORE', pinned)
    return columns
  end
`;

/** ARGV: ids. Returns the columns ids, body, and so on; a column where nobody has anything is empty. */
export const READ = new RedisScript(`
  ${NAMES} ${READ_COLUMNS}
  return read_columns({ unpack(ARGV) })
`);

/**
 * ARGV: how many, and after which: its time and its id, or nothing. Returns columns as {@link READ} does.
 */
export const LIST = new RedisScript(`
  ${NAMES} ${READ_COLUMNS}
  -- As sorted sets compare, whatever the server's language.
  local function is_after(a, b)
    for i = 1, math.min(#a, #b) do
      local x, y = string.byte(a, i), string.byte(b, i)
      if x ~= y then return x > y end
    end
    return #a > #b
  end
  local function rank_after(created, id)
    local rank = redis.call('ZREVRANK', ids, id)
    if rank then return rank + 1 end
    local low = redis.call('ZCOUNT', ids, '(' .. created, '+inf')
    local high = low + redis.call('ZCOUNT', ids, created, created)
    while low < high do
      local middle = math.floor((low + high) / 2)
      if is_after(redis.call('ZRANGE', ids, middle, middle, 'REV')[1], id) then low = middle + 1 else high = middle end
    end
    return low
  end
  local first = #ARGV == 1 and 0 or rank_after(ARGV[2], ARGV[3])
  return read_columns(redis.call('ZRANGE', ids, first, first + ARGV[1] - 1, 'REV'))
`);

/** ARGV: how many. Returns id and decision of each, newest first. */
export const DECISIONS = new RedisScript(`
  ${NAMES}
  local page = redis.call('ZRANGE', decision_times, 0, tonumber(ARGV[1]) - 1, 'REV')
  for i, id in ipairs(page) do page[i] = { id, redis.call('HGET', decisions, id) } end
  return page
`);

/**
 * KEYS: a vector set. ARGV: ids. Returns for each id the quantised vector and the value that 127 stands for; two empty
 * texts if there is no vector.
 */
export const READ_VECTORS = new RedisScript(`
  local found = {}
  for i, id in ipairs(ARGV) do
    local vector = redis.call('VEMB', KEYS[1], id, 'RAW')
    found[i] = vector and { vector[2], vector[4] } or { '', '' }
  end
  return found
`);
