import { lifecycleSettings } from '../infra/lifecycle/index.js';
import { streamSettings } from '../stream/index.js';
import { scoringConcurrencyOf, vorpalOf, vorpalSettings } from '../vorpal/index.js';
import {
  documented,
  flag,
  integer,
  logVariables,
  milliseconds,
  optionalFlag,
  optionalInteger,
  roomSettings,
  type SettingsOf,
} from '../config/index.js';

// The embedded Vorpal has one batch's prompts to fill its few sequences with; a second batch would only wait. For
// others this is a bound of memory: what is sent is bounded in tokens.
const DEFAULT_BATCHES = { embedded: 1, remote: 64 };

/** How the worker takes entries, and how many at once. */
export const memoryWorkerSettings = roomSettings({
  room: 'memory-worker',
  variables: {
    ASYNC_MEMORY: documented(flag(true), {
      section: 'Memory worker',
      description: 'Whether the memory worker runs. Without it, messages are captured and wait in the stream.',
    }),
    WORKER_BATCH_SIZE: documented(integer(10, 1, 64), {
      section: 'Memory worker',
      description: 'Maximum number of entries of one batch; they are scored in one request.',
    }),
    WORKER_MAX_BATCHES: documented(optionalInteger(1, 256), {
      section: 'Memory worker',
      description:
        'Maximum number of batches that are processed at once, never more than `SCORING_CONCURRENCY`. Each is ' +
        'held in memory. Below the maximum, the worker starts as many as the scoring scheduler admits. `1`: one ' +
        'after another.',
      defaultText:
        '64, which leaves a third of `SCORING_CONCURRENCY` to `/perplexity`; 1 with the embedded Vorpal, because ' +
        'one batch keeps its processors busy',
    }),
    WORKER_BLOCK_MS: documented(milliseconds(1_000), {
      section: 'Memory worker',
      description: 'How long a read waits for entries.',
    }),
    WORKER_BACKOFF_MAX_MS: documented(milliseconds(15_000), {
      section: 'Memory worker',
      description: 'Longest pause between attempts while Vorpal or the stream cannot be reached.',
    }),
    WORKER_LOG_MESSAGES: documented(optionalFlag(), {
      section: 'Memory worker',
      description: 'Whether the log shows the first 50 characters of each message.',
      defaultText: '`false` in production, where other people read the logs; else `true`',
    }),
    WORKER_HISTORY_SIZE: documented(integer(50, 0, 1_000), {
      section: 'Memory worker',
      description: 'Number of scored entries that `GET /memory-worker` shows, the last ones. They are held in memory.',
    }),
  },
  needs: {
    BRAIN_ROLE: lifecycleSettings.variables.BRAIN_ROLE,
    NODE_ENV: logVariables.NODE_ENV,
    STREAM_CLAIM_IDLE_MS: streamSettings.variables.STREAM_CLAIM_IDLE_MS,
    STREAM_MAX_ATTEMPTS: streamSettings.variables.STREAM_MAX_ATTEMPTS,
    VORPAL_URL: vorpalSettings.variables.VORPAL_URL,
    SCORING_CONCURRENCY: vorpalSettings.variables.SCORING_CONCURRENCY,
    VORPAL_SCORING_TIMEOUT_MS: vorpalSettings.variables.VORPAL_SCORING_TIMEOUT_MS,
  },
  toSettings: (env) => ({
    role: env.BRAIN_ROLE,
    enabled: env.ASYNC_MEMORY && env.BRAIN_ROLE !== 'api',
    batchSize: env.WORKER_BATCH_SIZE,
    // A batch beyond the scoring requests that may be under way would only wait for one of them, with its texts in
    // memory.
    maxBatches: Math.min(env.WORKER_MAX_BATCHES ?? DEFAULT_BATCHES[vorpalOf(env)], scoringConcurrencyOf(env)),
    blockMs: env.WORKER_BLOCK_MS,
    backoffMaxMs: env.WORKER_BACKOFF_MAX_MS,
    logMessages: env.WORKER_LOG_MESSAGES ?? env.NODE_ENV !== 'production',
    historySize: env.WORKER_HISTORY_SIZE,
    claimIdleMs: env.STREAM_CLAIM_IDLE_MS,
    maxAttempts: env.STREAM_MAX_ATTEMPTS,
    scoringTimeoutMs: env.VORPAL_SCORING_TIMEOUT_MS,
  }),
});

export type MemoryWorkerSettings = SettingsOf<typeof memoryWorkerSettings>;
