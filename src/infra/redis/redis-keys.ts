import type { RedisTopology } from './redis-address.js';
import { hasHashTag } from '../../shared/index.js';

// Every key the program uses in Redis is spelled here and nowhere else.

/** The keys of one stream. */
export interface StreamKeys {
  readonly entries: string;
  readonly deadLetters: string;
  /** Sorted set of the ids appended last, by which a resend is recognised. */
  readonly knownIds: string;
  /** Sorted set with score 0: for each entry and dead letter a member that begins with its user. */
  readonly index: string;
  /** Hash: user → the newest entry when the user was forgotten, for a day. */
  readonly forgotten: string;
}

/**
 * The keys of one stream are touched together by scripts, so on a cluster they must share a slot. There the others
 * repeat the stream's name as their hash tag, which places them as the name alone places the stream.
 *
 * @param key on a cluster either has a hash tag, which the others repeat with the name, or no closing brace
 */
export function streamKeys({ key }: { readonly key: string }, topology: RedisTopology = 'single'): StreamKeys {
  const placed = topology === 'cluster' && !hasHashTag(key) ? `{${key}}` : key;
  return {
    entries: key,
    deadLetters: `${placed}:dead`,
    knownIds: `${placed}:ids`,
    index: `${placed}:index`,
    forgotten: `${placed}:forgotten`,
  };
}

/**
 * The keys of one user's memories. All carry the user as their hash tag, so a script may touch any of them together.
 */
export interface UserMemoryKeys {
  /** Sorted set: id → time of creation, or 0 if a release wrote it whose lists had another order. */
  readonly ids: string;
  /** Hash: id → memory as JSON, which is written once. */
  readonly items: string;
  /** Vector set of one embedding generation. */
  vectors(generation: number): string;

  /** Hash: id → its index record: terms, digest and sizes. */
  readonly index: string;
  /** Hash: number → id. Numbers replace ids in large sets. */
  readonly numbers: string;
  /** Hash: term → how many sorted sets it has. */
  readonly terms: string;
  /** The prefix of the keys of these sorted sets; never a key itself. */
  readonly term: string;
  /** Hash: digest of a text → id. */
  readonly texts: string;
  /** Hash: sums over the index. */
  readonly totals: string;

  /** Sorted set: id → retention, without the pinned memories. */
  readonly retention: string;
  /** Sorted set of the pinned memories: id → retention. */
  readonly pinned: string;
  /** Hash: id → how often it was said again. */
  readonly repetitions: string;
  /** Hash: id → time it was last said, if it was said again. */
  readonly lastSeen: string;
  /** Hash: id → how often it stood in a prompt. */
  readonly recalls: string;
  /** Hash: id → when it stood in a prompt last. */
  readonly lastRecalled: string;
  /** Hash: id → from when on it holds again. */
  readonly validFrom: string;
  /** Hash: id → time, score, reason and successor of its supersession. */
  readonly superseded: string;
  /** Hash: id → the ids that it supersedes, as JSON. */
  readonly supersedes: string;
  /** Hash: id → digests of the ids that were counted for it, with spaces between them. */
  readonly countedIds: string;

  /** Hash: id → decision as JSON. */
  readonly decisions: string;
  /** Sorted set: id → when it was decided. */
  readonly decisionTimes: string;
  /** Hash: language model → its decayed sums. */
  readonly statistics: string;
  /** A new value each time the user is forgotten: tells writes that started before from those after. */
  readonly forgetMark: string;

  readonly shadow: ShadowKeys;
}

/** The shadow buffer of releases up to 0.1, for entries that were not yet memories. */
export interface ShadowKeys {
  /** Sorted set of the ids with score 0. */
  readonly ids: string;
  /** Hash: id → memory as JSON. */
  readonly items: string;
  /** Sorted set: id → when it expires. */
  readonly expiry: string;
  /** Vector set of one embedding generation. */
  vectors(generation: number): string;
}

export interface MemoryKeys {
  /** Hash: the embedding spaces and their generations. */
  readonly spaces: string;
  /** Set of the users that have memories. */
  readonly users: string;
  ofUser(userId: string): UserMemoryKeys;
}

export function memoryKeys(prefix = ''): MemoryKeys {
  return {
    spaces: `${prefix}memory:space`,
    users: `${prefix}memory:users`,
    ofUser: (userId) => {
      const user = `${prefix}memory:${hashTag(userId)}`;
      return {
        ids: `${user}:ids`,
        items: `${user}:items`,
        vectors: (generation) => `${user}:vectors:${generation}`,
        index: `${user}:index`,
        numbers: `${user}:numbers`,
        terms: `${user}:terms`,
        term: `${user}:term`,
        texts: `${user}:texts`,
        totals: `${user}:totals`,
        retention: `${user}:retention`,
        pinned: `${user}:pinned`,
        repetitions: `${user}:repetitions`,
        lastSeen: `${user}:last_seen`,
        recalls: `${user}:recalls`,
        lastRecalled: `${user}:last_recalled`,
        validFrom: `${user}:valid_from`,
        superseded: `${user}:superseded`,
        supersedes: `${user}:supersedes`,
        countedIds: `${user}:counted_ids`,
        decisions: `${user}:decisions`,
        decisionTimes: `${user}:decisions:times`,
        statistics: `${user}:statistics`,
        forgetMark: `${user}:forget_mark`,
        shadow: {
          ids: `${user}:shadow:ids`,
          items: `${user}:shadow:items`,
          expiry: `${user}:shadow:expiry`,
          vectors: (generation) => `${user}:shadow:vectors:${generation}`,
        },
      };
    },
  };
}

/** The keys of one user's sessions, all with the user as their hash tag. */
export interface SessionKeys {
  /** Sorted set: encoded session id → when the session expires. */
  readonly index: string;
  /** The prefix of the key of a session; its encoded id follows. */
  readonly sessionPrefix: string;
  /** That of the user's memories. */
  readonly forgetMark: string;
}

export function sessionKeys(userId: string, prefix = ''): SessionKeys {
  const index = `${prefix}session:${hashTag(userId)}`;
  return { index, sessionPrefix: `${index}:`, forgetMark: memoryKeys(prefix).ofUser(userId).forgetMark };
}

/** Redis computes the slot of a key from the part in braces. An encoded name has neither a brace nor a colon. */
function hashTag(userId: string): string {
  return `{${encodeURIComponent(userId)}}`;
}
