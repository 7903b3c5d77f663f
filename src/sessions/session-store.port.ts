import { Logger } from '@nestjs/common';
import { UndecodableRecords } from '../observability/index.js';

/** One message of a conversation. */
export interface Turn {
  readonly role: 'user' | 'assistant';
  readonly text: string;
  readonly atMs: number;
  /** Said without memory: part of the conversation, and of nothing that is captured. */
  readonly isPrivate: boolean;
}

/** What was made of a stored turn, or what is wrong with it. */
export type DecodedTurn =
  { readonly turn: Turn; readonly problem?: undefined } | { readonly turn?: undefined; readonly problem: string };

/**
 * The last turns of each session, by user and session id; two users' sessions of one id are two sessions.
 *
 * Bounded: of a session the newest `maxTurns` are kept, and the whole of it vanishes `ttlMs` after its last turn.
 * A turn that cannot be read is left out and noted.
 * Failures: every method throws `SessionStoreUnavailableError` (transient) when the store cannot be reached.
 */
export abstract class SessionStore {
  readonly undecodable = new UndecodableRecords(new Logger('Sessions'));

  /**
   * Adds turns, in their order and next to each other, and restarts the session's time to live.
   * @param forgetMark what the user had when the chat began: nothing is added if the user was forgotten since
   */
  abstract append(userId: string, sessionId: string, turns: readonly Turn[], forgetMark?: string): Promise<void>;

  /** The turns that are kept, oldest first; `[]` for a session that is unknown or has expired. */
  abstract turns(userId: string, sessionId: string): Promise<Turn[]>;

  /**
   * What the user was marked with by the last {@link forget} within a day, else the empty string. Memories share it.
   */
  abstract forgetMark(userId: string): Promise<string>;

  /** Deletes all sessions of a user. Returns how many there were. @param mark one that never was before */
  abstract forget(userId: string, mark: string): Promise<number>;

  /** The turn, or nothing for one that cannot be read. */
  protected readable(userId: string, sessionId: string, { turn, problem }: DecodedTurn): Turn | undefined {
    if (!turn) this.undecodable.note({ kind: 'turn', userId, id: `of session ${sessionId}`, problem });
    return turn;
  }
}
