import type { Logger } from '@nestjs/common';
import type { Redis } from 'ioredis';
import type { RedisTopology } from '../redis-address.js';
import { failureText, isRedisFailure, replyCodeOf } from '../errors/redis-errors.js';
import { checkServer, parseInfo, vectorSetProblem } from './server-checks.js';

/** Looks at a server for what its operator should change, and says it once. */
export class ServerInspector {
  private readonly reported = new Set<string>();

  constructor(
    private readonly topology: RedisTopology,
    private readonly logger: Logger,
  ) {}

  /** Never fails. `address` is that of the server among several, where there are several. */
  async inspect(server: Redis, address: string): Promise<void> {
    try {
      const info = await server.info();
      const version = parseInfo(info).get('redis_version') ?? 'of unknown version';
      this.logger.debug(`Redis ${version} at ${address}`);
      for (const { severity, text } of checkServer(info, await savePolicyOf(server), this.topology)) {
        this.reportOnce(severity, this.topology === 'cluster' ? `${text} (${address})` : text);
      }
    } catch (error) {
      this.logger.debug(`Could not inspect Redis: ${failureText(error)}`);
    }
  }

  /** Why the server cannot hold memories, `undefined` where it can or cannot be asked. */
  async findVectorSetProblem(server: Redis): Promise<string | undefined> {
    try {
      const [info, known] = await Promise.all([server.info('server'), knowsVectorSets(server)]);
      return vectorSetProblem(info, known);
    } catch (error) {
      if (!isRedisFailure(error)) throw error;
      this.logger.debug(`Could not ask Redis for vector sets: ${failureText(error)}`);
      return undefined;
    }
  }

  private reportOnce(severity: 'error' | 'warn', text: string): void {
    if (this.reported.has(text)) return;
    this.reported.add(text);
    this.logger[severity](text);
  }
}

/** `undefined` where `COMMAND` is forbidden. */
async function knowsVectorSets(server: Redis): Promise<boolean | undefined> {
  try {
    const reply: unknown = await server.command('INFO', 'VADD');
    return Array.isArray(reply) && Array.isArray(reply[0]);
  } catch (error) {
    if (replyCodeOf(error) === undefined) throw error;
    return undefined;
  }
}

/** `undefined` where `CONFIG` is forbidden, as managed services do. */
async function savePolicyOf(server: Redis): Promise<string | undefined> {
  try {
    const reply: unknown = await server.config('GET', 'save');
    return Array.isArray(reply) && typeof reply[1] === 'string' ? reply[1] : undefined;
  } catch {
    return undefined;
  }
}
