import { z } from 'zod';
import {
  carriedMark,
  FORGET_MARK_LASTS_MS,
  type RedisConnections,
  redisFailuresAs,
  type SessionKeys,
  sessionKeys,
} from '../../../infra/redis/index.js';
import { StoreRefusedError } from '../../../shared/index.js';
import type { SessionLimits } from '../../session-limits.js';
import { SessionStore, type Turn } from '../../session-store.port.js';
import { SessionStoreUnavailableError } from '../../sessions.errors.js';
import { APPEND_TURNS, FORGET_SESSIONS } from './redis-session-scripts.js';
import { decodeTurnText, encodeTurn } from '../stored-turn.js';

const reachingRedis = redisFailuresAs(SessionStoreUnavailableError, StoreRefusedError);

export interface RedisSessionStoreOptions {
  /** Stands before every key. */
  readonly keyPrefix?: string;
}

/** {@link SessionStore} on Redis: a list for each session, and an index of each user's sessions. */
export class RedisSessionStore extends SessionStore {
  private readonly keyPrefix: string;

  constructor(
    private readonly connections: RedisConnections,
    private readonly limits: SessionLimits,
    { keyPrefix = '' }: RedisSessionStoreOptions = {},
  ) {
    super();
    this.keyPrefix = keyPrefix;
  }

  async append(userId: string, sessionId: string, turns: readonly Turn[], forgetMark?: string): Promise<void> {
    if (turns.length === 0) return;
    const { index, sessionPrefix, forgetMark: markKey } = this.keysOf(userId);
    const session = encodeURIComponent(sessionId);
    const { maxTurns, ttlMs } = this.limits;
    // More than are kept would only be pushed out again.
    const kept = turns.slice(-maxTurns).map(encodeTurn);
    await reachingRedis(() =>
      APPEND_TURNS.run(
        this.connections.commands,
        [sessionPrefix + session, index, markKey],
        [session, maxTurns, ttlMs, carriedMark(forgetMark), ...kept],
      ),
    );
  }

  async turns(userId: string, sessionId: string): Promise<Turn[]> {
    const key = this.keysOf(userId).sessionPrefix + encodeURIComponent(sessionId);
    const stored = await reachingRedis(() => this.connections.commands.lrange(key, -this.limits.maxTurns, -1));
    return stored
      .map((text) => this.readable(userId, sessionId, decodeTurnText(text)))
      .filter((turn) => turn !== undefined);
  }

  async forgetMark(userId: string): Promise<string> {
    return (await reachingRedis(() => this.connections.commands.get(this.keysOf(userId).forgetMark))) ?? '';
  }

  async forget(userId: string, mark: string): Promise<number> {
    const { index, sessionPrefix, forgetMark } = this.keysOf(userId);
    const reply = await reachingRedis(() =>
      FORGET_SESSIONS.run(this.connections.commands, [index, forgetMark], [sessionPrefix, mark, FORGET_MARK_LASTS_MS]),
    );
    return z.number().parse(reply);
  }

  private keysOf(userId: string): SessionKeys {
    return sessionKeys(userId, this.keyPrefix);
  }
}
