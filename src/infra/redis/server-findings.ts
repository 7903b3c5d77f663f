/** Something about the Redis server that its operator should change. */
export interface ServerFinding {
  readonly severity: 'error' | 'warn';
  readonly text: string;
}

// XAUTOCLAIM, without which the entries of a dead consumer are never taken over.
const OLDEST_VERSION = '6.2';

/**
 * What is wrong with a server for keeping data that must not be lost.
 *
 * @param info the reply to `INFO`
 * @param savePolicy the reply to `CONFIG GET save` (`''`: no snapshots), `undefined` where the server does not tell
 */
export function findingsOf(info: string, savePolicy: string | undefined): ServerFinding[] {
  const server = parseInfo(info);
  const findings: ServerFinding[] = [];
  const version = server.get('redis_version') ?? 'unknown';
  if (isOlder(version, OLDEST_VERSION)) {
    findings.push({
      severity: 'error',
      text: `Redis ${version} is too old: XAUTOCLAIM needs ${OLDEST_VERSION} or newer`,
    });
  }
  if (server.get('redis_mode') === 'cluster') {
    findings.push({
      severity: 'warn',
      text: 'Redis runs in cluster mode: STREAM_KEY needs a hash tag, as in {brain}:input_stream, and REDIS_URL the node of its slot',
    });
  }
  const policy = server.get('maxmemory_policy') ?? 'noeviction';
  if (policy.startsWith('allkeys-') && Number(server.get('maxmemory') ?? 0) > 0) {
    findings.push({
      severity: 'warn',
      text: `Redis may throw the stream away when its memory is full (maxmemory-policy ${policy}); set noeviction`,
    });
  }
  if (server.get('aof_enabled') === '0' && savePolicy === '') {
    findings.push({
      severity: 'warn',
      text: 'Redis keeps nothing on disk: a restart loses the stream; turn on appendonly',
    });
  }
  return findings;
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
