export const REDIS_TOPOLOGIES = ['single', 'sentinel', 'cluster'] as const;

/** One server; one server that Sentinels look after; a Redis Cluster. */
export type RedisTopology = (typeof REDIS_TOPOLOGIES)[number];

export interface RedisHost {
  /** A name or an IP address, without brackets. */
  readonly host: string;
  /** `undefined`: the default of what listens there. */
  readonly port: number | undefined;
}

/** The parts of a `REDIS_URL`. */
export interface RedisAddress {
  /** Hosts and ports as they are written, without credentials: this is what logs may show. */
  readonly authority: string;
  readonly hosts: readonly RedisHost[];
  readonly isTls: boolean;
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly database: number;
}

/** Why a text is no address; never shows the text, which may hold a password. */
export interface AddressProblem {
  readonly problem: string;
}

const ADDRESS = /^(rediss?):\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/(\d*))?$/i;
const HOST = /^(?:\[([\da-f:.]+)\]|([^[\]:\s]+))(?::(\d{1,5}))?$/i;
const MAX_PORT = 65_535;

/**
 * Reads `redis[s]://[user[:password]@]host[:port][,host[:port]…][/database]`, with percent-encoding in user and
 * password.
 */
export function readRedisAddress(url: string): RedisAddress | AddressProblem {
  const [, scheme, credentials = '', authority, database = ''] = ADDRESS.exec(url) ?? [];
  if (scheme === undefined || authority === undefined) return { problem: problemOf(url) };
  const hosts = authority.split(',').map(readHost);
  if (!hosts.every((host) => host !== undefined)) {
    return { problem: 'must name a host, or several with commas between, as in redis://one:6379,[::1]:6380' };
  }
  const [username, password] = readCredentials(credentials) ?? [];
  if (username === undefined || password === undefined) {
    return { problem: 'has a % in its user or password that begins no character; write %25 for it' };
  }
  return {
    authority,
    hosts,
    isTls: scheme.toLowerCase() === 'rediss',
    username: username === '' ? undefined : username,
    // A user without a password is one whom the server lets in with any.
    password: credentials === '' ? undefined : password,
    database: Number(database),
  };
}

function problemOf(url: string): string {
  if (!/^rediss?:\/\//i.test(url)) return 'must be a redis:// or rediss:// address';
  return 'must end with its hosts, or with the number of a database, as in redis://host:6379/2';
}

function readHost(text: string): RedisHost | undefined {
  const [, ipv6, name, port] = HOST.exec(text) ?? [];
  const host = ipv6 ?? name;
  if (host === undefined || (port !== undefined && (Number(port) === 0 || Number(port) > MAX_PORT))) return undefined;
  return { host, port: port === undefined ? undefined : Number(port) };
}

function readCredentials(credentials: string): [string, string] | undefined {
  const [username = '', ...password] = credentials.split(':');
  try {
    return [decodeURIComponent(username), decodeURIComponent(password.join(':'))];
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
