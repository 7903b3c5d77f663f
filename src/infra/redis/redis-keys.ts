import type { RedisTopology } from '../../config/index.js';
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
 * The keys of one stream are touched together by scripts, so on a cluster they must share a slot. There the others repeat
 * the stream's name as their hash tag, which places them as the name alone places the stream.
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

/** The keys of one tier (memories, or the shadow buffer) of one user. */
export interface TierKeys {
  /** Sorted set of the ids with score 0: ids are UUIDv7, so their lexicographic order is that of time. */
  readonly ids: string;
  /** Hash: id → memory as JSON. */
  readonly items: string;
  /** Vector set of one embedding generation. */
  vectors(generation: number): string;
}

/** The keys of one user's memories. All carry the user as their hash tag, so a script may touch any of them together. */
export interface UserMemoryKeys {
  readonly memory: TierKeys;
  readonly shadow: TierKeys;
  /** Sorted set: id of an entry of the shadow buffer → when it expires. */
  readonly shadowExpiry: string;
  /** Hash: id → how often it was said again. */
  readonly repetitions: string;
  /** Hash: id → when it was said last, where it was said again. */
  readonly lastSeen: string;
  /** Hash: id → decision as JSON. */
  readonly decisions: string;
  /** Sorted set: id → when it was decided. */
  readonly decisionTimes: string;
  /** Hash: language model → its decayed sums. */
  readonly statistics: string;
  /** What tells apart what was begun before and after the user was forgotten last. */
  readonly forgetMark: string;
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
        memory: tierKeys(user),
        shadow: tierKeys(`${user}:shadow`),
        shadowExpiry: `${user}:shadow:expiry`,
        repetitions: `${user}:repetitions`,
        lastSeen: `${user}:last_seen`,
        decisions: `${user}:decisions`,
        decisionTimes: `${user}:decisions:times`,
        statistics: `${user}:statistics`,
        forgetMark: `${user}:forget_mark`,
      };
    },
  };
}

function tierKeys(prefix: string): TierKeys {
  return {
    ids: `${prefix}:ids`,
    items: `${prefix}:items`,
    vectors: (generation) => `${prefix}:vectors:${generation}`,
  };
}

/** The keys of one user's sessions, all with the user as their hash tag. */
export interface SessionKeys {
  /** Sorted set: encoded session id → when the session expires. */
  readonly index: string;
  /** What the key of a session begins with; its encoded id follows. */
  readonly sessionPrefix: string;
  /** That of the user's memories. */
  readonly forgetMark: string;
}

export function sessionKeys(userId: string, prefix = ''): SessionKeys {
  const index = `${prefix}session:${hashTag(userId)}`;
  return { index, sessionPrefix: `${index}:`, forgetMark: memoryKeys(prefix).ofUser(userId).forgetMark };
}

/** Redis places a key by what stands in its braces. Encoded, a name can hold neither a brace nor a colon. */
function hashTag(userId: string): string {
  return `{${encodeURIComponent(userId)}}`;
}
