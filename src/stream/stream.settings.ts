import { hostname } from 'node:os';
import { lifecycleSettings } from '../infra/lifecycle/index.js';
import { redisSettings } from '../infra/redis/index.js';
import { hasHashTag } from '../shared/index.js';
import { documented, integer, milliseconds, roomSettings, type SettingsOf, text } from '../config/index.js';

/** Where messages are captured, and how they are handed out. */
export const streamSettings = roomSettings({
  room: 'stream',
  variables: {
    STREAM_KEY: documented(text.default('session:input_stream'), {
      section: 'Stream',
      description:
        'Key of the stream in Redis. Dead letters are at the same key with `:dead` appended; on a cluster at ' +
        '`{STREAM_KEY}:dead`, which is on the slot of the stream.',
    }),
    STREAM_GROUP: documented(text.default('memory-workers'), {
      section: 'Stream',
      description: 'Consumer group in Redis.',
    }),
    STREAM_CONSUMER: documented(text.optional(), {
      section: 'Stream',
      description:
        'Name of this consumer. Keep it over restarts: a restarted consumer resumes its own pending entries at ' +
        'once.',
      defaultText: 'host name and port',
    }),
    STREAM_CLAIM_IDLE_MS: documented(milliseconds(60_000, 100), {
      section: 'Stream',
      description:
        'An entry that has been pending at another consumer for this long is claimed. A consumer renews its hold ' +
        'on its entries after a third of this time, so only a consumer that hangs or is gone loses them.',
    }),
    STREAM_SPOOL_MAX_BYTES: documented(integer(268_435_456, 0, 68_719_476_736), {
      section: 'Stream',
      description:
        'Maximum number of bytes of messages on the disk (`BRAIN_DATA_DIR`) while the stream cannot be reached. ' +
        'Further messages are dropped, counted and logged. `0`: no spool.',
    }),
    STREAM_MAX_ATTEMPTS: documented(integer(3, 1, 100), {
      section: 'Stream',
      description: 'Number of attempts before an entry that fails while others succeed becomes a dead letter.',
    }),
  },
  needs: {
    PORT: lifecycleSettings.variables.PORT,
    REDIS_URL: redisSettings.variables.REDIS_URL,
    REDIS_TOPOLOGY: redisSettings.variables.REDIS_TOPOLOGY,
  },
  rules: [
    {
      variable: 'STREAM_KEY',
      problem:
        'has a } and no hash tag, so that no other key can be put on its slot of the cluster; ' +
        'leave it out, or use a hash tag, as in {brain}:stream',
      holds: ({ REDIS_TOPOLOGY, STREAM_KEY }) =>
        REDIS_TOPOLOGY !== 'cluster' || hasHashTag(STREAM_KEY) || !STREAM_KEY.includes('}'),
    },
  ],
  toSettings: (env) => ({
    backend: env.REDIS_URL === undefined ? ('sqlite' as const) : ('redis' as const),
    key: env.STREAM_KEY,
    group: env.STREAM_GROUP,
    consumer: env.STREAM_CONSUMER ?? `${hostname()}-${env.PORT}`,
    claimIdleMs: env.STREAM_CLAIM_IDLE_MS,
    spoolMaxBytes: env.STREAM_SPOOL_MAX_BYTES,
    maxAttempts: env.STREAM_MAX_ATTEMPTS,
  }),
});

export type StreamSettings = SettingsOf<typeof streamSettings>;
