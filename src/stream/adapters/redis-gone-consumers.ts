import { Logger } from '@nestjs/common';
import { z } from 'zod';
import { type RedisConnections, replyCodeOf } from '../../infra/redis/index.js';
import { describeError } from '../../shared/index.js';
import { REMOVE_GONE_CONSUMERS } from './redis-scripts.js';

// Shorter, the name of a brain that is only paused or restarted would be missing when somebody looks for it.
const LEAST_GONE_AFTER_MS = 3_600_000;
// What it held has been claimed by then, ten times over, and its name is of no use to whoever looks for a fault.
const GONE_AFTER_CLAIM_TIMES = 10;
// Consumers of a group are few; looking more often finds nothing new.
const LOOKS_PER_TIME_GONE = 4;

const namesReply = z.array(z.string());

export interface GoneConsumersOptions {
  readonly key: string;
  readonly group: string;
  /** Stays, however long it was silent. */
  readonly consumer: string;
  readonly goneAfterMs: number;
}

/** How long a consumer must have asked for nothing to count as gone. */
export function goneAfterMs(claimIdleMs: number): number {
  return Math.max(LEAST_GONE_AFTER_MS, GONE_AFTER_CLAIM_TIMES * claimIdleMs);
}

/**
 * Removes consumers from the group that have nothing pending and are gone: where each pod brings a name of its own, they
 * would add up for ever. One that comes back is made again by its first read.
 */
export class GoneConsumers {
  private readonly logger = new Logger('Stream');
  private nextLookAt = 0;

  constructor(
    private readonly connections: RedisConnections,
    private readonly options: GoneConsumersOptions,
  ) {}

  /** @throws the driver's errors, but for a server that refuses just this, to its user for one: reading goes on without it */
  async removeWhenDue(): Promise<void> {
    if (performance.now() < this.nextLookAt) return;
    const { key, group, consumer, goneAfterMs: idleMs } = this.options;
    try {
      const reply = await REMOVE_GONE_CONSUMERS.run(this.connections.commands, [key], [group, consumer, idleMs]);
      const names = namesReply.parse(reply);
      if (names.length > 0) this.logger.log(`Removed consumers that are gone: ${names.join(', ')}`);
    } catch (error) {
      const code = replyCodeOf(error);
      if (code === undefined || code === 'NOGROUP') throw error;
      this.logger.warn(`Consumers that are gone stay in the group: ${describeError(error)}`);
    }
    this.nextLookAt = performance.now() + idleMs / LOOKS_PER_TIME_GONE;
  }
}
