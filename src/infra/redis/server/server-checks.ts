import type { RedisTopology } from '../redis-address.js';

/** Something about the Redis server that its operator should change. */
export interface ServerIssue {
  readonly severity: 'error' | 'warn';
  readonly text: string;
}

// Vector sets, which memories need.
const OLDEST_VERSION = '8.0';

/**
 * What is wrong with a server for keeping data that must not be lost.
 *
 * @param info the reply to `INFO`
 * @param savePolicy the reply to `CONFIG GET save` (`''`: no snapshots), `undefined` where the server does not tell
 * @param topology what the server was taken for
 */
export function checkServer(info: string, savePolicy: string | undefined, topology: RedisTopology): ServerIssue[] {
  const server = parseInfo(info);
  const issues: ServerIssue[] = [];
  const version = server.get('redis_version') ?? 'unknown';
  if (isOlder(version, OLDEST_VERSION)) {
    issues.push({
      severity: 'error',
      text: `Redis ${version} is too old: memories need the vector sets of ${OLDEST_VERSION} or newer; upgrade it`,
    });
  }
  if (server.get('redis_mode') === 'cluster' && topology !== 'cluster') {
    issues.push({
      severity: 'warn',
      text:
        'Redis is a node of a cluster, but REDIS_TOPOLOGY says otherwise: commands for keys of other nodes fail; set ' +
        'REDIS_TOPOLOGY=cluster',
    });
  }
  const policy = server.get('maxmemory_policy') ?? 'noeviction';
  if (policy.startsWith('allkeys-') && Number(server.get('maxmemory') ?? 0) > 0) {
    issues.push({
      severity: 'warn',
      text:
        `Redis may delete messages and memories when its memory is full (maxmemory-policy ${policy}); set ` +
        'noeviction',
    });
  }
  if (server.get('aof_enabled') === '0' && savePolicy === '') {
    issues.push({
      severity: 'warn',
      text: 'Redis keeps nothing on disk: a restart loses messages and memories; turn on appendonly',
    });
  }
  return issues;
}

/**
 * Why a server cannot hold memories, and what to do; `undefined` where it can.
 *
 * @param info the reply to `INFO`
 * @param knowsVectorSets whether it has the command `VADD`, `undefined` where it does not tell
 */
export function vectorSetProblem(info: string, knowsVectorSets: boolean | undefined): string | undefined {
  const server = parseInfo(info);
  if (server.get('redis_mode') === 'sentinel') {
    return (
      'REDIS_URL names a Sentinel, which keeps no data itself. Set REDIS_TOPOLOGY=sentinel to use the server that it ' +
      'names.'
    );
  }
  const version = server.get('redis_version') ?? 'unknown';
  if (knowsVectorSets ?? !isOlder(version, OLDEST_VERSION)) return undefined;
  return (
    `The server that REDIS_URL names is Redis ${version}, ` +
    'and memories need Redis 8 or later with vector sets (the command VADD). ' +
    'Upgrade it (docker: redis:8), or unset REDIS_URL to keep everything in a file.'
  );
}

/** `key:value` lines of `INFO`. */
export function parseInfo(info: string): Map<string, string> {
  const pairs = info.split(/\r?\n/).flatMap((line): [string, string][] => {
    const colon = line.indexOf(':');
    return line.startsWith('#') || colon === -1 ? [] : [[line.slice(0, colon), line.slice(colon + 1)]];
  });
  return new Map(pairs);
}

function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [thanMajor = 0, thanMinor = 0] = than.split('.').map(Number);
  return major < thanMajor || (major === thanMajor && minor < thanMinor);
}
