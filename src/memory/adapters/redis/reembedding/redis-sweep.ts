import { chunksOf } from '../../shared/batches.js';

// Users that are asked about together. One after the other, each would cost a round trip.
const USERS_AT_ONCE = 64;
const BEGINNING = '0';

export interface MemoryOfUser {
  readonly userId: string;
  readonly id: string;
}

export interface SweptPage {
  /** The cursor of the next page; `0` after the last. */
  readonly cursor: string;
  /** The memories of this page that are pending. */
  readonly ids: readonly string[];
}

/** The users in their order, and how far each has been looked through. */
interface Position {
  readonly users: readonly string[];
  /** Those before had nothing pending when they were looked at. */
  first: number;
  /** User → the first page with something pending. */
  readonly cursors: Map<string, string>;
}

/**
 * Goes through the memories of all users for what is pending, as often as something is. What it has given stays pending
 * until somebody has done it, and is given again; what cannot be done is excepted, or every sweep would stop there.
 */
export class RedisSweep {
  private position: Position | undefined;
  private readonly excepted = new Set<string>();

  constructor(
    private readonly listUsers: () => Promise<readonly string[]>,
    private readonly look: (userId: string, cursor: string) => Promise<SweptPage>,
  ) {}

  restart(): void {
    this.position = undefined;
  }

  except(one: MemoryOfUser): void {
    this.excepted.add(keyOf(one));
  }

  /** @returns at most `limit`; `[]` if no user has pending memories */
  async pending(limit: number): Promise<MemoryOfUser[]> {
    for (;;) {
      const isFresh = this.position === undefined;
      this.position ??= { users: await this.listUsers(), first: 0, cursors: new Map() };
      const found = await this.find(this.position, limit);
      if (found.length > 0) return found;
      this.position = undefined;
      // Somebody that this sweep had passed may have something pending by now.
      if (isFresh) return [];
    }
  }

  private async find(position: Position, limit: number): Promise<MemoryOfUser[]> {
    const found: MemoryOfUser[] = [];
    for (const users of chunksOf(position.users.slice(position.first), USERS_AT_ONCE)) {
      const pending = await Promise.all(users.map((userId) => this.pendingOf(userId, position.cursors, limit)));
      for (const ofUser of pending) {
        found.push(...ofUser);
        if (found.length === 0) position.first += 1;
      }
      if (found.length >= limit) break;
    }
    return found.slice(0, limit);
  }

  private async pendingOf(userId: string, cursors: Map<string, string>, limit: number): Promise<MemoryOfUser[]> {
    // A page may name an id twice.
    const found = new Set<string>();
    let from = cursors.get(userId) ?? BEGINNING;
    do {
      const { cursor, ids } = await this.look(userId, from);
      const pending = ids.filter((id) => !this.excepted.has(keyOf({ userId, id })));
      for (const id of pending) found.add(id);
      from = cursor;
      if (found.size === 0 && cursor !== BEGINNING) cursors.set(userId, cursor);
    } while (from !== BEGINNING && found.size < limit);
    return [...found].map((id) => ({ userId, id }));
  }
}

const keyOf = ({ userId, id }: MemoryOfUser): string => JSON.stringify([userId, id]);
