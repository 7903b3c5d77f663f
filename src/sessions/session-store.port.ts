/** One message of a conversation. */
export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly text: string;
  readonly atMs: number;
  /** Said without memory: part of the conversation, and of nothing that is captured. */
  readonly isPrivate: boolean;
}

/**
 * The last turns of each session, by user and session id; two users' sessions of one id are two sessions.
 *
 * Bounded: of a session the newest `maxTurns` are kept, and the whole of it vanishes `ttlMs` after its last turn.
 * Failures: every method throws `SessionStoreUnavailableError` (transient) when the store cannot be reached.
 */
export abstract class SessionStore {
  /** Adds turns, in their order and next to each other, and starts the session's time to live anew. */
  abstract append(userId: string, sessionId: string, turns: readonly Turn[]): Promise<void>;

  /** The turns that are kept, oldest first; `[]` for a session that is unknown or has expired. */
  abstract turns(userId: string, sessionId: string): Promise<Turn[]>;

  /** Deletes all sessions of a user. Returns how many there were. */
  abstract forget(userId: string): Promise<number>;
}
