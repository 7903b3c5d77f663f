import type { MemoryKeys, RedisConnections, RedisScript, ScriptArgument } from '../../../infra/redis/index.js';
import { reachingSharedKeys } from './redis-failures.js';
import { scriptKeys } from './scripts/redis-script-arguments.js';

const USERS_PER_SCAN = 1_000;

export interface Written<T> {
  readonly result: T;
  /** Whether the user had nothing before. */
  readonly isFirst: boolean;
}

/** Scripts on the keys of one user, and the list of the users that have memories. */
export class RedisUsers {
  constructor(
    readonly connections: RedisConnections,
    readonly keys: MemoryKeys,
  ) {}

  /** @param more keys after those that every script is given */
  run(
    script: RedisScript,
    userId: string,
    generations: readonly number[],
    args: readonly ScriptArgument[],
    more: readonly string[] = [],
  ): Promise<unknown> {
    const keys = [...scriptKeys(this.keys.ofUser(userId), generations), ...more];
    return script.run(this.connections.commands, keys, args);
  }

  /**
   * Has the user listed among those with memories while `write` gives them some: before, so that a crash leaves no
   * memories that a re-embedding would miss, and after the first one again, in case a forget came between the two.
   */
  async registering<T>(userId: string, write: () => Promise<Written<T>>): Promise<T> {
    const [, result] = await Promise.all([this.enlist(userId), this.registeringFirst(userId, write)]);
    return result;
  }

  /** The same for a user who is listed, and whom a forget may take off the list meanwhile. */
  async registeringFirst<T>(userId: string, write: () => Promise<Written<T>>): Promise<T> {
    const { result, isFirst } = await write();
    if (isFirst) await this.enlist(userId);
    return result;
  }

  /** Takes the user off the list, unless somebody gave them memories meanwhile. */
  async unregister(userId: string): Promise<void> {
    const { commands } = this.connections;
    const [, left] = await Promise.all([
      reachingSharedKeys(() => commands.srem(this.keys.users, userId)),
      commands.exists(this.keys.ofUser(userId).ids),
    ]);
    if (left > 0) await this.enlist(userId);
  }

  async all(): Promise<string[]> {
    const users = new Set<string>();
    let cursor = '0';
    do {
      const [next, page] = await this.connections.commands.sscan(this.keys.users, cursor, 'COUNT', USERS_PER_SCAN);
      for (const userId of page) users.add(userId);
      cursor = next;
    } while (cursor !== '0');
    return [...users];
  }

  private async enlist(userId: string): Promise<void> {
    await reachingSharedKeys(() => this.connections.commands.sadd(this.keys.users, userId));
  }
}
