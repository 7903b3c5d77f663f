import { Logger } from '@nestjs/common';
import { z } from 'zod';
import { type RedisConnections, RedisScript, replyCodeOf } from '../../../infra/redis/index.js';
import { describeError } from '../../../shared/index.js';

// A shorter time would remove a brain that is only paused or restarting, and whoever looks for it would not find it.
const MIN_IDLE_MS = 3_600_000;
// By then other consumers have long claimed its entries, and its name no longer helps to find a fault.
const CLAIM_TIMES = 10;
// A group has few consumers; looking more often finds nothing new.
const LOOKS_PER_IDLE_TIME = 4;

/**
 * Removes consumers that hold nothing and have not asked for anything for long. In one script, because removing a
 * consumer removes what it holds from the group: one that comes back between the look and the removal would lose
 * entries. KEYS: entries. ARGV: group, consumer that stays, how long it must have been idle (ms). Returns the names.
 */
const REMOVE_IDLE_CONSUMERS = new RedisScript(`
  local removed = {}
  if redis.call('EXISTS', KEYS[1]) == 0 then return removed end
  for _, flat in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
    local consumer = {}
    for i = 1, #flat, 2 do consumer[flat[i]] = flat[i + 1] end
    if consumer.pending == 0 and consumer.idle >= tonumber(ARGV[3]) and consumer.name ~= ARGV[2] then
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], consumer.name)
      removed[#removed + 1] = consumer.name
    end
  end
  return removed
`);

const namesReply = z.array(z.string());

export interface IdleConsumersOptions {
  readonly key: string;
  readonly group: string;
  /** Is never removed. */
  readonly consumer: string;
  readonly idleMs: number;
}

/** How long a consumer must be silent before it is removed. */
export function removableAfterMs(claimIdleMs: number): number {
  return Math.max(MIN_IDLE_MS, CLAIM_TIMES * claimIdleMs);
}

/**
 * Removes consumers that have nothing pending and have been silent for long: where each pod brings a name of its own,
 * their number would grow for ever. One that comes back is created again by its first read.
 */
export class IdleConsumers {
  private readonly logger = new Logger('Stream');
  private nextLookAt = 0;

  constructor(
    private readonly connections: RedisConnections,
    private readonly options: IdleConsumersOptions,
  ) {}

  /** @throws the driver's errors; a server that only forbids the removal is logged, and reading goes on */
  async removeWhenDue(): Promise<void> {
    if (performance.now() < this.nextLookAt) return;
    const { key, group, consumer, idleMs } = this.options;
    try {
      const reply = await REMOVE_IDLE_CONSUMERS.run(this.connections.commands, [key], [group, consumer, idleMs]);
      const names = namesReply.parse(reply);
      if (names.length > 0) this.logger.log(`Removed idle consumers from the group: ${names.join(', ')}`);
    } catch (error) {
      const code = replyCodeOf(error);
      if (code === undefined || code === 'NOGROUP') throw error;
      this.logger.warn(
        `Cannot remove idle consumers from the group (${describeError(error)}); allow XGROUP DELCONSUMER`,
      );
    }
    this.nextLookAt = performance.now() + idleMs / LOOKS_PER_IDLE_TIME;
  }
}
