import { Logger } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { once } from 'node:events';
import { sleep } from '../../../shared/index.js';
import { failureText, replyCodeOf } from '../errors/redis-errors.js';

// A server that does not end a blocked command by then is not going to; the connection is cut instead.
const UNBLOCK_WINDOW_MS = 250;
const UNBLOCK_RETRY_MS = 10;

export interface BlockingOptions {
  /** The key that the command waits at. On a cluster it decides which node is asked. */
  readonly key: string;
  /** Ends the command at once. */
  readonly signal: AbortSignal;
  /** After this long without a reply the connection counts as dead; longer than the command's own `BLOCK`. */
  readonly timeoutMs: number;
}

/**
 * A connection for the command that blocks, behind which others would wait. `client` reconnects by itself.
 *
 * On abort the server is asked to end the command (`CLIENT UNBLOCK`), and the reply is awaited all the same. Cutting
 * the connection would be as quick, but leaves open whether the server handed out entries in that moment; the reply
 * tells. A server that does not react within 250 ms, or forbids `CLIENT`, is cut off after all.
 */
export class BlockingConnection {
  private readonly logger = new Logger('Redis');
  private clientId: number | undefined;
  private isUnderWay = false;

  /** `findHelper` gives another connection to the same server. */
  constructor(
    readonly client: Redis,
    private readonly findHelper: () => Redis | undefined,
  ) {
    client.on('close', () => (this.clientId = undefined));
    client.on('ready', () => (this.isUnderWay = false));
  }

  /** Whether a connection that was started or cut here is not ready yet. */
  get isBeingMade(): boolean {
    return this.isUnderWay;
  }

  /** Runs one blocking command; one at a time. @throws the driver's errors */
  async run<T>(
    command: (client: Redis) => Promise<T>,
    { signal, timeoutMs }: Omit<BlockingOptions, 'key'>,
  ): Promise<T> {
    const settled = new AbortController();
    const tooLate = new AbortController();
    const overdue = setTimeout(() => {
      tooLate.abort();
      this.cut();
    }, timeoutMs);
    let unblocked: Promise<void> | undefined;
    let clientId: number | undefined;
    const onAbort = (): void => {
      // A connection that is being made has sent nothing to end. If it were cut now, it could still report that it is
      // ready.
      if (clientId === undefined && this.isUnderWay) return;
      if (clientId === undefined) this.cut();
      else unblocked = this.unblock(clientId, settled.signal);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await this.untilThere([signal, tooLate.signal]);
      clientId = this.clientId ??= await readClientId(this.client);
      overdue.refresh();
      const reply = command(this.client);
      if (signal.aborted) onAbort();
      return await reply;
    } finally {
      clearTimeout(overdue);
      signal.removeEventListener('abort', onAbort);
      settled.abort();
      // An UNBLOCK still on its way would end the next command instead of this one.
      await unblocked;
    }
  }

  private async unblock(clientId: number, settled: AbortSignal): Promise<void> {
    const gaveUp = new AbortController();
    const giveUp = setTimeout(() => {
      gaveUp.abort();
      this.cut();
    }, UNBLOCK_WINDOW_MS);
    const cut = once(gaveUp.signal, 'abort');
    try {
      const helper = this.findHelper();
      if (helper === undefined) throw new Error('there is no other connection to this server');
      // The two connections race: an UNBLOCK that arrives before the command has no effect, so it is repeated.
      while (!settled.aborted && !gaveUp.signal.aborted) {
        await Promise.race([helper.client('UNBLOCK', clientId), cut]);
        await sleep(UNBLOCK_RETRY_MS, settled);
      }
    } catch (error) {
      this.logger.debug(`CLIENT UNBLOCK failed, cutting the connection: ${failureText(error)}`);
      if (!settled.aborted) this.cut();
    } finally {
      clearTimeout(giveUp);
    }
  }

  /** Waits for a connection that was not started yet, or was cut here: the command must not fail because of that. */
  private async untilThere(ends: readonly AbortSignal[]): Promise<void> {
    if (this.client.status === 'wait') {
      this.isUnderWay = true;
      this.client.connect().catch(() => undefined);
    }
    if (!this.isUnderWay) return;
    // If the attempt fails or is aborted, the command fails with the driver's error.
    await once(this.client, 'ready', { signal: AbortSignal.any([...ends]) }).catch(() => undefined);
  }

  private cut(): void {
    this.isUnderWay ||= this.client.status === 'ready';
    this.client.disconnect(true);
  }
}

/** `undefined` if `CLIENT` is forbidden. */
async function readClientId(client: Redis): Promise<number | undefined> {
  try {
    return await client.client('ID');
  } catch (error) {
    if (replyCodeOf(error) === undefined) throw error;
    return undefined;
  }
}
