import { NAMES } from './redis-script-arguments.js';
import { RedisScript } from '../../../../infra/redis/index.js';

/**
 * The index of words. Each term has sorted sets of at most 128 memories, by their numbers. Redis keeps sets of that
 * size in one block (`zset-max-listpack-entries`), which needs a tenth of the memory of a larger set. Scores are
 * integers for the same reason.
 */
export const TERMS = `
  local CHUNK = 128
  local function chunk_key(word, chunk)
    return term .. ':' .. chunk .. ':' .. word
  end
  -- How many sorted sets each word has, in how many memories it is, and the first of the sets that has room.
  local function look_up(words)
    local found = {}
    for first = 1, #words, PORTION do
      local portion = { unpack(words, first, math.min(first + PORTION - 1, #words)) }
      for i, stored in ipairs(redis.call('HMGET', terms, unpack(portion))) do
        local chunks, frequency, room = tonumber(stored or 0), 0, nil
        for chunk = 0, chunks - 1 do
          local size = redis.call('ZCARD', chunk_key(portion[i], chunk))
          frequency = frequency + size
          if not room and size < CHUNK then room = chunk end
        end
        found[#found + 1] =
          { word = portion[i], place = #found, chunks = chunks, frequency = frequency, room = room or chunks }
      end
    end
    table.sort(found, function(a, b)
      if a.frequency ~= b.frequency then return a.frequency < b.frequency end
      return a.place < b.place
    end)
    return found
  end
`;

/** Adds to the index of words and takes from it. */
export const CHANGE_TERMS = `
  local MOST_TERMS = 30
  -- Written as 'word word<TAB>times': no word has a space or a control character in it.
  local function parse_words(text)
    local words, times = {}, {}
    for entry in string.gmatch(text, '[^ ]+') do
      local word, count = string.match(entry, '^(.*)\\t(%d+)$')
      word = word or entry
      words[#words + 1] = word
      times[word] = tonumber(count or 1)
    end
    return words, times
  end
  -- Reads only.
  local function rarest_of(text)
    local words, times = parse_words(text)
    local found = look_up(words)
    for i = MOST_TERMS + 1, #found do found[i] = nil end
    for _, one in ipairs(found) do one.times = times[one.word] end
    return found
  end
  -- BM25's part of a term in thousandths; what is found by it is computed anew with the average of that time.
  local function weight_of(times, length, average)
    return math.floor(2200 * times / (times + 1.2 * (0.25 + 0.75 * length / average)) + 0.5)
  end
  local function add_terms(number, length, rarest)
    local count = redis.call('HLEN', index) + 1
    local average = (tonumber(redis.call('HGET', totals, 'length') or 0) + length) / count
    local written = {}
    for i, one in ipairs(rarest) do
      redis.call('ZADD', chunk_key(one.word, one.room), weight_of(one.times, length, average), number)
      if one.room == one.chunks then redis.call('HSET', terms, one.word, one.chunks + 1) end
      written[i] = one.times == 1 and one.word or one.word .. '\\t' .. one.times
    end
    return table.concat(written, ' ')
  end
  local function remove_terms(number, text)
    local words = parse_words(text)
    for _, one in ipairs(look_up(words)) do
      for chunk = 0, one.chunks - 1 do
        if redis.call('ZREM', chunk_key(one.word, chunk), number) == 1 then break end
      end
      local left = one.chunks
      while left > 0 and redis.call('EXISTS', chunk_key(one.word, left - 1)) == 0 do left = left - 1 end
      if left == 0 then redis.call('HDEL', terms, one.word)
      elseif left < one.chunks then redis.call('HSET', terms, one.word, left) end
    end
  end
`;

/**
 * The best by BM25.
 * ARGV: limit, words. Returns the number of memories in the index, the sum of their lengths, the number of memories
 * with each word, and the ids of the best, best first.
 */
export const FIND_WORDS = new RedisScript(`
  ${NAMES} ${TERMS}
  -- With more, unpack would have no room; the rarest come first.
  local MOST_SETS = 2000
  local limit, words = tonumber(ARGV[1]), { unpack(ARGV, 2) }
  local count = redis.call('HLEN', index)
  local frequencies, keys, weights = {}, {}, {}
  for _, one in ipairs(look_up(words)) do
    frequencies[one.place + 1] = one.frequency
    local idf = math.log(1 + (count - one.frequency + 0.5) / (one.frequency + 0.5))
    if #keys + one.chunks <= MOST_SETS then
      for chunk = 0, one.chunks - 1 do
        keys[#keys + 1] = chunk_key(one.word, chunk)
        weights[#weights + 1] = math.floor(1000 * idf + 0.5)
      end
    end
  end
  local best = {}
  if #keys > 0 then
    local arguments = { 'ZUNION', #keys }
    for _, key in ipairs(keys) do arguments[#arguments + 1] = key end
    arguments[#arguments + 1] = 'WEIGHTS'
    for _, weight in ipairs(weights) do arguments[#arguments + 1] = weight end
    local found = redis.call(unpack(arguments))
    for i = #found, math.max(1, #found - limit + 1), -1 do best[#best + 1] = found[i] end
  end
  local found_ids = {}
  for first = 1, #best, PORTION do
    local portion = { unpack(best, first, math.min(first + PORTION - 1, #best)) }
    for _, id in ipairs(redis.call('HMGET', numbers, unpack(portion))) do
      if id then found_ids[#found_ids + 1] = id end
    end
  end
  return { count, tonumber(redis.call('HGET', totals, 'length') or 0), frequencies, found_ids }
`);
