import { MAX_COUNTED_IDS } from '../../shared/counted-ids.js';

/**
 * The index record of a memory: number, version of the terms, length, bytes, digest and terms, separated by spaces.
 * Only the last part may contain spaces.
 */
export const RECORDS = `
  local function read_record(id)
    local stored = redis.call('HGET', index, id)
    if not stored then return nil end
    local number, version, length, bytes, digest, words = string.match(stored, '^(%S+) (%S+) (%S+) (%S+) (%S+) (.*)$')
    return {
      number = number, version = version, length = tonumber(length), bytes = tonumber(bytes), digest = digest, words = words,
    }
  end
  local function write_record(id, record)
    redis.call('HSET', index, id, table.concat({
      record.number, record.version, record.length, record.bytes, record.digest, record.words,
    }, ' '))
  end
  local function add_to_totals(id, record, sign)
    redis.call('HINCRBY', totals, 'length', sign * record.length)
    redis.call('HINCRBY', totals, 'bytes', sign * record.bytes)
    redis.call('HINCRBY', totals, 'version:' .. record.version, sign)
    if redis.call('ZSCORE', pinned, id) then redis.call('HINCRBY', totals, 'pinned_bytes', sign * record.bytes) end
  end
`;

/**
 * The links between memories in both directions: 'time score reason id' of the successor, with '-' for no score, and
 * the ids of the superseded memories, newest link first.
 */
export const LINKS = `
  local function successor_of(id)
    local stored = redis.call('HGET', superseded, id)
    return stored and string.match(stored, '^%S+ %S+ %S+ (.*)$') or nil
  end
  local function read_superseded_by(id)
    local stored = redis.call('HGET', supersedes, id)
    return stored and cjson.decode(stored) or {}
  end
  local function write_superseded_by(id, list)
    if #list == 0 then redis.call('HDEL', supersedes, id) else redis.call('HSET', supersedes, id, cjson.encode(list)) end
  end
  local function free(id)
    local successor = successor_of(id)
    if not successor then return end
    redis.call('HDEL', superseded, id)
    local others = {}
    for _, other in ipairs(read_superseded_by(successor)) do
      if other ~= id then others[#others + 1] = other end
    end
    write_superseded_by(successor, others)
  end
  -- Details: 'time score reason'.
  local function supersede(id, successor, details)
    free(id)
    redis.call('HSET', superseded, id, details .. ' ' .. successor)
    local list = read_superseded_by(successor)
    table.insert(list, 1, id)
    write_superseded_by(successor, list)
  end
  local function head_of(id)
    local seen = {}
    while not seen[id] do
      seen[id] = true
      local successor = successor_of(id)
      if not successor or redis.call('HEXISTS', items, successor) == 0 then return id end
      id = successor
    end
    return id
  end
  -- What holds of a chain gives way: one of its memories no longer holds since the successor.
  local function supersede_chain(id, successor, details)
    local head = head_of(id)
    if head ~= successor then supersede(head, successor, details) end
  end
  -- From when on a memory holds; of a body that cannot be read, since it was created.
  local function holds_since(id)
    local at = redis.call('HGET', valid_from, id)
    if at then return tonumber(at) end
    local is_json, body = pcall(cjson.decode, redis.call('HGET', items, id))
    return tonumber(is_json and type(body) == 'table' and body.valid_from_ms or redis.call('ZSCORE', ids, id))
  end
  -- The same, unless that memory is gone, or what holds in its place is later than the successor.
  local function supersede_earlier(id, successor, details)
    if redis.call('HEXISTS', items, id) == 0 then return end
    if holds_since(head_of(id)) <= tonumber(string.match(details, '^%S+')) then supersede_chain(id, successor, details) end
  end
  -- Has a memory hold again, in the place of what superseded it in the end.
  local function hold_again(id, at, reason)
    local head = head_of(id)
    if head == id then return end
    free(id)
    redis.call('HSET', valid_from, id, at)
    supersede(head, id, at .. ' - ' .. reason)
  end
  -- What it superseded passes to what supersedes it, or holds again.
  local function take_out_of_chain(id)
    local stored = redis.call('HGET', superseded, id)
    local successor = successor_of(id)
    local orphans = read_superseded_by(id)
    for i = #orphans, 1, -1 do
      local details = string.match(redis.call('HGET', superseded, orphans[i]) or '', '^(%S+ %S+ %S+) ')
      free(orphans[i])
      if successor and details then supersede(orphans[i], successor, details) end
    end
    free(id)
    redis.call('HDEL', supersedes, id)
  end
`;

/** Takes memories away, one by one or because there is no room. */
export const REMOVE = `
  -- Without it one call would hold the server while it removes very many; the caller goes on.
  local MOST_REMOVED = 100
  -- Of those that are worth least, when all before are what holds of something pinned; and of what a memory supersedes.
  local MOST_LOOKED_AT, MOST_LINKS = 16, 1000
  local function remove(id)
    local record = read_record(id)
    if record then
      remove_terms(record.number, record.words)
      add_to_totals(id, record, -1)
      redis.call('HDEL', numbers, record.number)
      if redis.call('HGET', texts, record.digest) == id then redis.call('HDEL', texts, record.digest) end
    end
    take_out_of_chain(id)
    for i = FIRST_VECTORS, #KEYS do redis.call('VREM', KEYS[i], id) end
    for _, key in ipairs({ items, index, repetitions, last_seen, recalls, last_recalled, valid_from, counted_ids }) do
      redis.call('HDEL', key, id)
    end
    redis.call('ZREM', retention, id)
    redis.call('ZREM', pinned, id)
    return redis.call('ZREM', ids, id)
  end
  -- Of all that a memory supersedes in the end what gave way first and is not pinned, and whether it supersedes anything.
  local function first_superseded(id)
    local chain, seen, first, since = { id }, { [id] = true }, nil, nil
    local i = 1
    while chain[i] and #chain < MOST_LINKS do
      local links = read_superseded_by(chain[i])
      for j = #links, 1, -1 do
        local older = links[j]
        if not seen[older] and successor_of(older) == chain[i] and redis.call('HEXISTS', items, older) == 1 then
          seen[older] = true
          chain[#chain + 1] = older
          local at = tonumber(string.match(redis.call('HGET', superseded, older), '^%S+'))
          if not redis.call('ZSCORE', pinned, older) and (not first or at < since) then first, since = older, at end
        end
      end
      i = i + 1
    end
    return first, #chain > 1
  end
  -- What goes first: not what holds while something that it supersedes would hold again.
  local function least_worth()
    local least = redis.call('ZRANGE', retention, 0, MOST_LOOKED_AT - 1)
    for _, id in ipairs(least) do
      local older, is_chain = first_superseded(id)
      if older or not is_chain then return older or id end
    end
    return least[1]
  end
  -- Returns 1 where there is more to remove.
  local function make_room(most_memories, most_bytes)
    for _ = 1, MOST_REMOVED do
      local count = redis.call('ZCARD', retention) + redis.call('ZCARD', pinned)
      local bytes = tonumber(redis.call('HGET', totals, 'bytes') or 0)
      if count <= most_memories and bytes <= most_bytes then return 0 end
      local least = least_worth()
      if not least then return 0 end
      remove(least)
    end
    return 1
  end
`;

/**
 * A memory as `memoryArguments` packs it, from index `first` of ARGV on: id, body, vector, digest, time of creation,
 * terms, version of the terms, number of terms, bytes, retention, pinned or not, count, time it was last said, recalls,
 * time of the last recall, how it is superseded, what it supersedes, and the digest of its id if it may be put again.
 */
export const ADD = `
  local MOST_COUNTED_IDS = ${MAX_COUNTED_IDS}
  local ARGUMENTS = 18
  local function memory_at(first)
    local memory = {}
    memory.id, memory.body, memory.vector, memory.digest, memory.created = unpack(ARGV, first, first + 4)
    memory.words, memory.version, memory.length, memory.bytes = unpack(ARGV, first + 5, first + 8)
    memory.retention, memory.pinned, memory.count, memory.seen = unpack(ARGV, first + 9, first + 12)
    memory.recalls, memory.recalled, memory.superseded, memory.supersedes = unpack(ARGV, first + 13, first + 16)
    memory.counted_id = ARGV[first + 17]
    return memory
  end
  local function add_to_index(memory, rarest, number)
    local length = tonumber(memory.length)
    local words = add_terms(number, length, rarest)
    local record = {
      number = number, version = memory.version, length = length, bytes = tonumber(memory.bytes), digest = memory.digest,
      words = words,
    }
    write_record(memory.id, record)
    redis.call('HSET', numbers, number, memory.id)
    redis.call('HSETNX', texts, memory.digest, memory.id)
    add_to_totals(memory.id, record, 1)
  end
  local function set_unless_empty(key, id, value)
    if value ~= '' then redis.call('HSET', key, id, value) end
  end
  local function add(memory)
    local id, rarest = memory.id, rarest_of(memory.words)
    redis.call('VADD', vectors, 'FP32', memory.vector, id)
    redis.call('HSET', items, id, memory.body)
    redis.call('ZADD', ids, memory.created, id)
    redis.call('ZADD', memory.pinned == '1' and pinned or retention, memory.retention, id)
    set_unless_empty(recalls, id, memory.recalls)
    set_unless_empty(last_recalled, id, memory.recalled)
    set_unless_empty(superseded, id, memory.superseded)
    set_unless_empty(supersedes, id, memory.supersedes)
    add_to_index(memory, rarest, redis.call('HINCRBY', totals, 'last_number', 1))
  end
  -- The same text once more. A memory that no longer held, holds again, unless what it says was said before.
  local function count_again(id, memory)
    redis.call('HINCRBY', repetitions, id, memory.count)
    local last = redis.call('HGET', last_seen, id)
    if not last or tonumber(memory.seen) > tonumber(last) then redis.call('HSET', last_seen, id, memory.seen) end
    local since = string.match(redis.call('HGET', superseded, id) or '', '^(%S+) ')
    if since and tonumber(memory.seen) >= tonumber(since) then hold_again(id, memory.seen, 'said_again') end
  end
  -- Notes the id of what is counted for a memory. Returns whether it was there already.
  local function note_counted(id, digest)
    local known = redis.call('HGET', counted_ids, id) or ''
    if string.find(' ' .. known .. ' ', ' ' .. digest .. ' ', 1, true) then return true end
    local noted = known == '' and digest or known .. ' ' .. digest
    local room = MOST_COUNTED_IDS * (#digest + 1) - 1
    redis.call('HSET', counted_ids, id, string.sub(noted, -room))
    return false
  end
  -- Returns what became of it, and the id of what stands for it.
  local function put(memory)
    if redis.call('HEXISTS', items, memory.id) == 1 then return 'known', memory.id end
    local same = redis.call('HGET', texts, memory.digest)
    if same then
      if memory.counted_id ~= '' and note_counted(same, memory.counted_id) then return 'known', same end
      count_again(same, memory)
      return 'duplicate', same
    end
    add(memory)
    return 'new', memory.id
  end
`;
