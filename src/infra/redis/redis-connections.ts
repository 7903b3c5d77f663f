import { Logger } from '@nestjs/common';
import { Redis, type RedisOptions } from 'ioredis';
import { once } from 'node:events';
import { fullJitterBackoffMs, sleep } from '../../shared/index.js';
import { failureText, isRedisFailure, RedisUnsupportedError, replyCodeOf } from './redis-errors.js';
import { findingsOf, parseInfo, vectorSetProblem } from './server-findings.js';

export type RedisClient = Redis;

// Without it a host that drops packets holds a connection attempt for minutes.
const CONNECT_TIMEOUT_MS = 2_000;
// Without it a server that hangs holds every append, and with it the memory of every captured message.
const COMMAND_TIMEOUT_MS = 2_000;
// Silence after which a connection with a command under way is taken for dead and made anew: TCP alone takes about
// fifteen minutes to notice a peer that vanished.
const SILENCE_TIMEOUT_MS = 4_000;
// How long the start waits for Redis before it goes on without.
const OPEN_WAIT_MS = 2_000;
const RECONNECT_BACKOFF = { initialMs: 100, maxMs: 3_000 };
// Full jitter may give zero; the floor keeps a refused connection from spinning.
const RECONNECT_FLOOR_MS = 50;
// A server that does not end a blocked command by then is not going to; the connection is cut instead.
const UNBLOCK_WINDOW_MS = 250;
const UNBLOCK_RETRY_MS = 10;
// A peer that hangs does not answer the end of a connection either; the socket is then destroyed. The driver's own two
// seconds would be added to every shutdown.
const DISCONNECT_TIMEOUT_MS = 100;
// How long closing waits for replies on their way.
const QUIT_TIMEOUT_MS = 500;

export interface BlockingOptions {
  /** Ends the command at once. */
  readonly signal: AbortSignal;
  /** After this long without a reply the connection counts as dead; longer than the command's own `BLOCK`. */
  readonly timeoutMs: number;
}

/**
 * The two connections to a Redis server: one for commands, and one for the command that blocks, behind which others
 * would wait. Both reconnect for as long as they live; while a connection is down its commands fail at once instead of
 * piling up. An outage is logged once when it begins and once when it ends. The password is never logged.
 */
export class RedisConnections {
  readonly commands: RedisClient;
  private readonly blocking: RedisClient;
  private readonly address: string;
  private readonly logger = new Logger('Redis');
  private readonly down = new Set<RedisClient>();
  private readonly reported = new Set<string>();
  private lastError: string | undefined;
  private outageSince: number | undefined;
  private blockingClientId: number | undefined;
  private resettingBlocking = false;
  private closing = false;

  /** Connects when {@link open} is called. */
  constructor(url: string) {
    this.address = new URL(url).host;
    this.commands = new Redis(url, {
      ...connectionOptions(),
      commandTimeout: COMMAND_TIMEOUT_MS,
      socketTimeout: SILENCE_TIMEOUT_MS,
    });
    this.blocking = new Redis(url, connectionOptions());
    for (const client of [this.commands, this.blocking]) this.watch(client);
    this.blocking.on('close', () => (this.blockingClientId = undefined));
    this.commands.on('ready', () => void this.inspectServer());
  }

  /** Begins connecting, and waits a little for it. Never fails: a server that is down is connected to when it is up. */
  async open(): Promise<void> {
    const waiting = AbortSignal.timeout(OPEN_WAIT_MS);
    const opened = [this.commands, this.blocking].map(async (client) => {
      // Also ends, by rejecting, with the first failed attempt.
      const ready = once(client, 'ready', { signal: waiting });
      // Why an attempt failed reaches the log through the 'error' event; the client goes on trying.
      client.connect().catch(() => undefined);
      await ready;
    });
    await Promise.allSettled(opened);
  }

  /** Throws unless the server answers. */
  async ping(): Promise<void> {
    await this.commands.ping();
  }

  /**
   * Resolves as well where the server cannot be asked now: there is nothing to say yet.
   * @throws RedisUnsupportedError if it cannot hold memories
   */
  async assertVectorSets(): Promise<void> {
    const problem = await this.findVectorSetProblem();
    if (problem !== undefined) throw new RedisUnsupportedError(problem);
  }

  /**
   * Runs one blocking command; one at a time.
   *
   * On abort the server is asked to end it (`CLIENT UNBLOCK`), and the reply is awaited all the same. Cutting the
   * connection would be as quick, but leaves open whether the server handed out entries in that moment; the reply tells.
   * A server that does not react within 250 ms, or forbids `CLIENT`, is cut off after all.
   * @throws the driver's errors
   */
  async runBlocking<T>(command: (client: RedisClient) => Promise<T>, options: BlockingOptions): Promise<T> {
    const clientId = (this.blockingClientId ??= await this.readClientId(options));
    const settled = new AbortController();
    const overdue = setTimeout(() => {
      this.resetBlocking();
    }, options.timeoutMs);
    let unblocked: Promise<void> | undefined;
    const onAbort = (): void => {
      unblocked = this.unblock(clientId, settled.signal);
    };
    options.signal.addEventListener('abort', onAbort, { once: true });
    try {
      const reply = command(this.blocking);
      if (options.signal.aborted) onAbort();
      return await reply;
    } finally {
      clearTimeout(overdue);
      options.signal.removeEventListener('abort', onAbort);
      settled.abort();
      // An UNBLOCK still on its way would end the next command instead of this one.
      await unblocked;
    }
  }

  async close(): Promise<void> {
    this.closing = true;
    await Promise.all([quit(this.commands), quit(this.blocking)]);
  }

  private async readClientId({ timeoutMs }: BlockingOptions): Promise<number> {
    const overdue = setTimeout(() => {
      this.resetBlocking();
    }, timeoutMs);
    try {
      return await this.blocking.client('ID');
    } finally {
      clearTimeout(overdue);
    }
  }

  private async unblock(clientId: number, settled: AbortSignal): Promise<void> {
    const gaveUp = new AbortController();
    const giveUp = setTimeout(() => {
      gaveUp.abort();
      this.resetBlocking();
    }, UNBLOCK_WINDOW_MS);
    const cut = once(gaveUp.signal, 'abort');
    try {
      // The two connections race: an UNBLOCK that arrives before the command finds nothing to end, hence again.
      while (!settled.aborted && !gaveUp.signal.aborted) {
        await Promise.race([this.commands.client('UNBLOCK', clientId), cut]);
        await sleep(UNBLOCK_RETRY_MS, settled);
      }
    } catch (error) {
      this.logger.debug(`CLIENT UNBLOCK failed, cutting the connection: ${failureText(error)}`);
      if (!settled.aborted) this.resetBlocking();
    } finally {
      clearTimeout(giveUp);
    }
  }

  private resetBlocking(): void {
    this.resettingBlocking = this.blocking.status === 'ready';
    this.blocking.disconnect(true);
  }

  private watch(client: RedisClient): void {
    client.on('error', (error) => (this.lastError = failureText(error)));
    client.on('close', () => {
      this.onDown(client);
    });
    client.on('ready', () => {
      this.onUp(client);
    });
  }

  private onDown(client: RedisClient): void {
    if (this.closing) return;
    if (client === this.blocking && this.resettingBlocking) {
      this.resettingBlocking = false;
      return;
    }
    this.down.add(client);
    if (this.outageSince !== undefined) return;
    this.outageSince = performance.now();
    this.logger.warn(
      `No connection to Redis at ${this.address}, trying again: ${this.lastError ?? 'connection closed'}`,
    );
  }

  private onUp(client: RedisClient): void {
    this.down.delete(client);
    if (this.outageSince === undefined || this.down.size > 0) return;
    const seconds = Math.round((performance.now() - this.outageSince) / 1_000);
    this.outageSince = undefined;
    this.lastError = undefined;
    this.logger.log(`Connected to Redis at ${this.address} again after ${seconds} s`);
  }

  private async inspectServer(): Promise<void> {
    try {
      const info = await this.commands.info();
      const version = parseInfo(info).get('redis_version') ?? 'of unknown version';
      this.logger.debug(`Redis ${version} at ${this.address}`);
      for (const { severity, text } of findingsOf(info, await this.savePolicy())) this.reportOnce(severity, text);
    } catch (error) {
      this.logger.debug(`Could not inspect Redis: ${failureText(error)}`);
    }
  }

  private async findVectorSetProblem(): Promise<string | undefined> {
    try {
      const [info, known] = await Promise.all([this.commands.info('server'), this.knowsVectorSets()]);
      return vectorSetProblem(info, known);
    } catch (error) {
      if (!isRedisFailure(error)) throw error;
      this.logger.debug(`Could not ask Redis for vector sets: ${failureText(error)}`);
      return undefined;
    }
  }

  /** `undefined` where `COMMAND` is forbidden. */
  private async knowsVectorSets(): Promise<boolean | undefined> {
    try {
      const reply: unknown = await this.commands.command('INFO', 'VADD');
      return Array.isArray(reply) && Array.isArray(reply[0]);
    } catch (error) {
      if (replyCodeOf(error) === undefined) throw error;
      return undefined;
    }
  }

  /** `undefined` where `CONFIG` is forbidden, as managed services do. */
  private async savePolicy(): Promise<string | undefined> {
    try {
      const reply: unknown = await this.commands.config('GET', 'save');
      return Array.isArray(reply) && typeof reply[1] === 'string' ? reply[1] : undefined;
    } catch {
      return undefined;
    }
  }

  private reportOnce(severity: 'error' | 'warn', text: string): void {
    if (this.reported.has(text)) return;
    this.reported.add(text);
    this.logger[severity](text);
  }
}

/** Lets replies on their way arrive, for a moment, and ends the connection. */
async function quit(client: RedisClient): Promise<void> {
  if (client.status === 'ready') {
    const answered = new AbortController();
    const quitting = client.quit().then(
      () => {
        answered.abort();
      },
      // The connection broke while it was being closed, which closes it.
      () => {
        answered.abort();
      },
    );
    await Promise.race([quitting, sleep(QUIT_TIMEOUT_MS, answered.signal)]);
  }
  client.disconnect();
}

function connectionOptions(): RedisOptions {
  return {
    lazyConnect: true,
    // The shapes of RESP2 are the ones that every supported server and proxy speaks.
    protocol: 2,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt) => RECONNECT_FLOOR_MS + fullJitterBackoffMs(attempt, RECONNECT_BACKOFF),
  };
}
