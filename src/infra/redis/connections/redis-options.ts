import { Cluster, type ClusterOptions, Redis, type RedisOptions, type SentinelConnectionOptions } from 'ioredis';
import type { RedisServerSettings } from '../redis.settings.js';
import { fullJitterBackoffMs } from '../../../shared/index.js';
import { replyCodeOf } from '../errors/redis-errors.js';

// Without it a host that drops packets holds a connection attempt for minutes.
const CONNECT_TIMEOUT_MS = 2_000;
// Without it a server that hangs holds every append, and with it the memory of every captured message.
const COMMAND_TIMEOUT_MS = 2_000;
// Silence after which a connection with a command under way is taken for dead and made anew: TCP alone takes about
// fifteen minutes to notice a peer that vanished.
const SILENCE_TIMEOUT_MS = 4_000;
const RECONNECT_BACKOFF = { initialMs: 100, maxMs: 3_000 };
// Full jitter may give zero; the floor keeps a refused connection from spinning.
const RECONNECT_FLOOR_MS = 50;
// The Sentinels are asked again this soon at the latest: they know the new master before long, and captures wait for
// it. The driver cannot be interrupted in this pause, so it also outlasts the end of a connection.
const SENTINEL_BACKOFF = { initialMs: 100, maxMs: 500 };
// A peer that hangs does not answer the end of a connection either; the socket is then destroyed. The driver's own two
// seconds would be added to every shutdown.
const DISCONNECT_TIMEOUT_MS = 100;
// A command may be told MOVED, ASK, TRYAGAIN and CLUSTERDOWN so often, the last two with 100 ms between; then it fails
// as it does on any outage. With the driver's 16 each would take 1.6 s to fail, with everything that queues behind it.
const MAX_REDIRECTIONS = 8;
const CLUSTER_RETRY_MS = 100;
// The time in which a process that sends nothing to the failed master notices a failover.
const SLOTS_REFRESH_MS = 5_000;

/** Answers of a server that is not the master, or not yet. Only the Sentinels know the address of the master. */
const NOT_THE_MASTER = new Set(['READONLY', 'MASTERDOWN', 'LOADING']);

/** Whether the server refused a command because it is not the one that takes commands. */
export function isNotTheMaster(error: unknown): boolean {
  return NOT_THE_MASTER.has(replyCodeOf(error) ?? '');
}

export interface ServerClientOptions {
  /** For a command that blocks, whose reply is awaited for longer than that of others. */
  readonly isBlocking?: boolean;
  /** Is called with the reason when a connection that works is closed. */
  readonly onGivenUp?: (error: Error) => void;
}

/** A connection to the one server, wherever that is now; not started yet. */
export function serverClient(
  settings: RedisServerSettings,
  { isBlocking = false, onGivenUp }: ServerClientOptions,
): Redis {
  const options = { ...connectionOptions(settings), ...(isBlocking ? {} : replyLimits()), db: settings.database };
  if (settings.topology !== 'sentinel') return new Redis({ ...options, ...settings.hosts[0] });
  return new Redis({
    ...options,
    ...sentinelOptions(settings),
    reconnectOnError: (error) => {
      if (!isNotTheMaster(error)) return false;
      onGivenUp?.(error);
      return true;
    },
  });
}

/** A connection that subscribes to a Sentinel; not started yet. Commands wait for the connection. */
export function sentinelListener(
  { isTls, sentinel }: RedisServerSettings,
  { host, port }: RedisServerSettings['hosts'][number],
): Redis {
  const { username, password } = sentinel;
  return new Redis({
    ...connectionOptions({ username, password, isTls }),
    host,
    port,
    enableOfflineQueue: true,
    maxRetriesPerRequest: null,
    enableReadyCheck: false,
  });
}

/** A connection to one node of a cluster for a command that blocks; not started yet. */
export function blockingNodeClient(settings: RedisServerSettings, host: string, port: number): Redis {
  return new Redis({ ...connectionOptions(settings), host, port });
}

/** Connections to the masters of a cluster; not started yet. */
export function clusterClient(settings: RedisServerSettings): Cluster {
  const { retryStrategy, enableOfflineQueue, ...redisOptions } = { ...connectionOptions(settings), ...replyLimits() };
  const options: ClusterOptions = {
    redisOptions,
    lazyConnect: true,
    enableOfflineQueue,
    // The check would go to a node that is being connected to, fail for that, and end the connections to all. A cluster
    // that is not in order says so in its answers (CLUSTERDOWN).
    enableReadyCheck: false,
    clusterRetryStrategy: retryStrategy,
    maxRedirections: MAX_REDIRECTIONS,
    retryDelayOnTryAgain: CLUSTER_RETRY_MS,
    retryDelayOnClusterDown: CLUSTER_RETRY_MS,
    // A command whose connection broke may have been carried out; sent again, it would be carried out twice.
    retryDelayOnFailover: 0,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    slotsRefreshTimeout: COMMAND_TIMEOUT_MS,
    // Names stay names: certificates are for names, and an address may change behind one.
    dnsLookup: (name, callback) => {
      callback(null, name);
    },
  };
  return new Cluster([...settings.hosts], options);
}

function connectionOptions({
  username,
  password,
  isTls,
}: Pick<RedisServerSettings, 'username' | 'password' | 'isTls'>) {
  return {
    username,
    password,
    ...(isTls && { tls: {} }),
    lazyConnect: true,
    // The shapes of RESP2 are the ones that every supported server and proxy speaks.
    protocol: 2,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_TIMEOUT_MS,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: (attempt: number) => RECONNECT_FLOOR_MS + fullJitterBackoffMs(attempt, RECONNECT_BACKOFF),
  } satisfies RedisOptions;
}

function replyLimits() {
  return { commandTimeout: COMMAND_TIMEOUT_MS, socketTimeout: SILENCE_TIMEOUT_MS } satisfies RedisOptions;
}

function sentinelOptions({ hosts, isTls, sentinel }: RedisServerSettings): SentinelConnectionOptions {
  return {
    sentinels: hosts.map(({ host, port }) => ({ host, port })),
    name: sentinel.masterName,
    sentinelUsername: sentinel.username,
    sentinelPassword: sentinel.password,
    sentinelCommandTimeout: COMMAND_TIMEOUT_MS,
    sentinelRetryStrategy: (attempt) => RECONNECT_FLOOR_MS + fullJitterBackoffMs(attempt, SENTINEL_BACKOFF),
    ...(isTls && { enableTLSForSentinelMode: true, sentinelTLS: {} }),
  };
}
