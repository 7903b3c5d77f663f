import { z } from 'zod';
import { readRedisAddress, REDIS_TOPOLOGIES } from './redis-address.js';
import { documented, roomSettings, type SettingsOf, text } from '../../config/index.js';

// The default ports of Redis and Sentinel.
const REDIS_PORT = 6_379;
const SENTINEL_PORT = 26_379;

const redisUrl = text.meta({ format: 'uri' }).superRefine((url, context) => {
  const address = readRedisAddress(url);
  if ('problem' in address) context.addIssue({ code: 'custom', message: address.problem });
});

function addressOf(url: string | undefined) {
  const address = readRedisAddress(url ?? '');
  return 'problem' in address ? undefined : address;
}

/** Which Redis holds everything, if one does, and under which names. */
export const redisSettings = roomSettings({
  room: 'redis',
  variables: {
    REDIS_URL: documented(redisUrl.optional(), {
      section: 'Stream',
      description:
        'Redis (8 or later) for stream, sessions and memories: ' +
        '`redis[s]://[user[:password]@]host[:port][,host[:port]…][/database]`, with percent-encoding in user and ' +
        'password; `rediss` is TLS. Not set: an SQLite file in `BRAIN_DATA_DIR`.',
    }),
    REDIS_TOPOLOGY: documented(z.enum(REDIS_TOPOLOGIES, 'must be single, sentinel or cluster').default('single'), {
      section: 'Stream',
      description:
        'What the hosts of `REDIS_URL` are. `single`: one server. `sentinel`: Sentinels (default port 26379) that' +
        ' know the server; user, password and database are those of the server. `cluster`: some nodes of a Redis ' +
        'Cluster, which name the others.',
    }),
    REDIS_SENTINEL_MASTER: documented(text.default('mymaster'), {
      section: 'Stream',
      description: 'Name under which the Sentinels know the server (`REDIS_TOPOLOGY=sentinel`).',
    }),
    REDIS_SENTINEL_USERNAME: documented(text.optional(), {
      section: 'Stream',
      description: 'User for the Sentinels themselves, if they need one.',
    }),
    REDIS_SENTINEL_PASSWORD: documented(text.optional(), {
      section: 'Stream',
      description: 'Password for the Sentinels themselves, if they need one.',
    }),
    REDIS_KEY_PREFIX: documented(z.string().default(''), {
      section: 'Stream',
      description:
        'Prefix of the keys of memories and sessions in Redis, so that two brains with different data can share ' +
        'one server.',
    }),
  },
  rules: [
    {
      variable: 'REDIS_TOPOLOGY',
      problem: 'needs REDIS_URL',
      holds: ({ REDIS_TOPOLOGY, REDIS_URL }) => REDIS_TOPOLOGY === 'single' || REDIS_URL !== undefined,
    },
    {
      variable: 'REDIS_URL',
      problem:
        'names several hosts; set REDIS_TOPOLOGY=cluster if they are nodes of a Redis Cluster, ' +
        'or REDIS_TOPOLOGY=sentinel if they are Sentinels',
      holds: ({ REDIS_TOPOLOGY, REDIS_URL }) =>
        REDIS_TOPOLOGY !== 'single' || (addressOf(REDIS_URL)?.hosts.length ?? 1) === 1,
    },
    {
      variable: 'REDIS_URL',
      problem: 'names a database, and a Redis Cluster has none but 0',
      holds: ({ REDIS_TOPOLOGY, REDIS_URL }) =>
        REDIS_TOPOLOGY !== 'cluster' || (addressOf(REDIS_URL)?.database ?? 0) === 0,
    },
    {
      variable: 'REDIS_KEY_PREFIX',
      problem: 'has braces, by which a cluster would place the memories of all users together, or those of one apart',
      holds: ({ REDIS_TOPOLOGY, REDIS_KEY_PREFIX }) => REDIS_TOPOLOGY !== 'cluster' || !/[{}]/.test(REDIS_KEY_PREFIX),
    },
  ],
  toSettings: (env) => {
    const address = addressOf(env.REDIS_URL);
    const defaultPort = env.REDIS_TOPOLOGY === 'sentinel' ? SENTINEL_PORT : REDIS_PORT;
    return {
      keyPrefix: env.REDIS_KEY_PREFIX,
      /** `undefined`: everything is in a file. */
      server: address && {
        ...address,
        topology: env.REDIS_TOPOLOGY,
        hosts: address.hosts.map(({ host, port }) => ({ host, port: port ?? defaultPort })),
        sentinel: {
          masterName: env.REDIS_SENTINEL_MASTER,
          username: env.REDIS_SENTINEL_USERNAME,
          password: env.REDIS_SENTINEL_PASSWORD,
        },
      },
    };
  },
});

export type RedisSettings = SettingsOf<typeof redisSettings>;
export type RedisServerSettings = NonNullable<RedisSettings['server']>;
