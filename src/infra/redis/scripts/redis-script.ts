import { createHash } from 'node:crypto';
import type { RedisClient } from '../connections/redis-client.js';
import { replyCodeOf } from '../errors/redis-errors.js';

export type ScriptArgument = string | number | Buffer;

/** A Lua script: atomic on the server, sent in full only to a server that does not know it yet. */
export class RedisScript {
  private readonly sha1: string;

  constructor(private readonly lua: string) {
    this.sha1 = createHash('sha1').update(lua).digest('hex');
  }

  async run(client: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    try {
      return await client.evalsha(this.sha1, keys.length, ...keys, ...args);
    } catch (error) {
      if (replyCodeOf(error) !== 'NOSCRIPT') throw error;
      return client.eval(this.lua, keys.length, ...keys, ...args);
    }
  }

  /** The same for replies that are no text. */
  async runForBuffers(client: RedisClient, keys: readonly string[], args: readonly ScriptArgument[]): Promise<unknown> {
    try {
      return await client.callBuffer('EVALSHA', this.sha1, keys.length, ...keys, ...args);
    } catch (error) {
      if (replyCodeOf(error) !== 'NOSCRIPT') throw error;
      return client.callBuffer('EVAL', this.lua, keys.length, ...keys, ...args);
    }
  }
}
