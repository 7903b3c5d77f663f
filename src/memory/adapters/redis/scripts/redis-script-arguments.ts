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
 * No key has the name `term`: it is the prefix of the names of the terms' sorted sets, and a script computes which of
 * them it needs. It is passed as a key nevertheless, so that a cluster refuses the script at its start while the user's
 * slot is being moved. Otherwise a script could find in the middle that one of those sets is on another node.
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
 * Redis does not undo a script that fails in the middle. So whatever could make a later command fail is checked before
 * the first write: keys of a wrong type here, and vectors of other dimensions because VADD is the first write. A server
 * that has no memory or disk left refuses the first write as well.
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
