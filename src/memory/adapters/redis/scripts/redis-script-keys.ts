import type { UserMemoryKeys } from '../../../../infra/redis/index.js';

/**
 * The keys that every script on one user's memories is given, in the order of {@link NAMES}: the fixed ones, then the
 * vector sets of each embedding generation, the current one first.
 */
export function scriptKeys(user: UserMemoryKeys, generations: readonly number[]): string[] {
  return [
    ...[user.term, user.forgetMark],
    ...[user.ids, user.items, user.index, user.numbers, user.terms, user.texts, user.totals],
    ...[user.retention, user.pinned, user.repetitions, user.lastSeen, user.recalls, user.lastRecalled],
    ...[user.validFrom, user.superseded, user.supersedes, user.countedIds],
    ...[user.decisions, user.decisionTimes, user.statistics],
    ...[user.shadow.ids, user.shadow.items, user.shadow.expiry, user.shadow.vectors(generations[0] ?? 0)],
    ...generations.map((generation) => user.vectors(generation)),
  ];
}

/**
 * `term` is never a key. The names of the terms' sorted sets begin with it, and scripts find out themselves which of them
 * they need. Given as a key all the same, it has a cluster refuse a script at its start while the user's slot is being
 * moved: otherwise one of those sets could turn out to be elsewhere in the middle.
 */
export const NAMES = `
  local term, forget_mark = unpack(KEYS, 1, 2)
  local ids, items, index, numbers, terms, texts, totals = unpack(KEYS, 3, 9)
  local retention, pinned, repetitions, last_seen, recalls, last_recalled = unpack(KEYS, 10, 15)
  local valid_from, superseded, supersedes, counted_ids = unpack(KEYS, 16, 19)
  local decisions, decision_times, statistics = unpack(KEYS, 20, 22)
  local shadow_ids, shadow_items, shadow_expiry, shadow_vectors = unpack(KEYS, 23, 26)
  local FIRST_VECTORS = 27
  local vectors = KEYS[FIRST_VECTORS]
  -- unpack finds room for a few thousand values.
  local PORTION = 1000
`;

/**
 * A script is not undone when it fails in the middle. What could make a later command fail is therefore met first, while
 * nothing is written: keys of another type here, and vectors of other dimensions because VADD comes before every other
 * write. A server that refuses to write, for want of memory or disk, refuses the first write as well.
 */
export const MEET_WRONG_TYPES = `
  for _, key in ipairs({ ids, retention, pinned, decision_times }) do redis.call('ZCARD', key) end
  for _, key in ipairs({
    items, index, numbers, terms, texts, totals, repetitions, last_seen, recalls, last_recalled, valid_from, superseded,
    supersedes, counted_ids, decisions, statistics,
  }) do redis.call('HLEN', key) end
  redis.call('STRLEN', forget_mark)
  for i = FIRST_VECTORS, #KEYS do redis.call('VCARD', KEYS[i]) end
`;

/** `IS_WAITING(id, now)`: whether the shadow buffer of an older release has an entry that has not expired. */
export const IS_WAITING = `
  local function is_waiting(id, now)
    local expires = redis.call('ZSCORE', shadow_expiry, id)
    return expires and tonumber(expires) > tonumber(now)
  end
`;
