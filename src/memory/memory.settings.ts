import { z } from 'zod';
import { redisSettings } from '../infra/redis/index.js';
import { embeddingsModelOf, vorpalSettings } from '../vorpal/index.js';
import { documented, integer, number, roomSettings, type SettingsOf } from '../config/index.js';

/** Which messages are kept, and how many. */
export const memorySettings = roomSettings({
  room: 'memory',
  variables: {
    SURPRISE_MODE: documented(z.enum(['all', 'fixed', 'adaptive'], 'must be all, fixed or adaptive').default('all'), {
      section: 'Memory',
      description:
        '`all`: every message is kept, and its surprise says what is forgotten first. The other modes keep less: ' +
        '`adaptive` keeps the most surprising `SURPRISE_KEEP_RATE` of what a user says, `fixed` keeps what ' +
        'reaches `SURPRISE_THRESHOLD`.',
    }),
    MEMORY_MAX_MEMORIES: documented(integer(50_000, 10, 10_000_000), {
      section: 'Memory',
      description:
        'Maximum number of memories of a user. Beyond it, the memory that carries the least information is ' +
        'evicted, unless it is pinned; each recall makes a memory worth more.',
    }),
    MEMORY_MAX_BYTES: documented(integer(67_108_864, 65_536, 1_099_511_627_776), {
      section: 'Memory',
      description:
        'Maximum number of bytes of the texts, contexts and metadata of a user together; beyond it, memories are ' +
        'evicted in the same order.',
    }),
    CAPTURE_ASSISTANT: documented(z.enum(['off', 'context', 'all'], 'must be off, context or all').default('context'), {
      section: 'Memory',
      description:
        'What becomes of the answers of the assistant. `context`: they are part of the context in which the next ' +
        'message is scored and found. `all`: they become memories as well. `off`: neither.',
    }),
    SURPRISE_PERPLEXITY_WEIGHT: documented(number(0.6, 0, 1), {
      section: 'Memory',
      description: 'Weight of perplexity in the surprise (mode `fixed`).',
    }),
    SURPRISE_NOVELTY_WEIGHT: documented(number(0.4, 0, 1), {
      section: 'Memory',
      description: 'Weight of novelty in the surprise (mode `fixed`).',
    }),
    SURPRISE_PERPLEXITY_DIVISOR: documented(number(5, 0.1, 100), {
      section: 'Memory',
      description:
        'Value of ln(perplexity + 1) at which perplexity has its full weight; depends on the model (mode ' +
        '`fixed`).',
    }),
    SURPRISE_THRESHOLD: documented(number(0.7, 0, 2), {
      section: 'Memory',
      description: 'Lowest surprise that is kept (mode `fixed`, and the warm-up of `adaptive`).',
    }),
    SURPRISE_KEEP_RATE: documented(number(0.5, 0.01, 0.99), {
      section: 'Memory',
      description: 'Share of a user’s messages to keep (mode `adaptive`).',
    }),
    SURPRISE_ADAPTIVE_NOVELTY_WEIGHT: documented(number(0.2, 0, 1), {
      section: 'Memory',
      description: 'Weight of novelty in the surprise (mode `adaptive`); the rest is the information in the words.',
    }),
    SURPRISE_WARM_UP_MESSAGES: documented(integer(10, 2, 10_000), {
      section: 'Memory',
      description: 'Number of messages of a user during which mode `adaptive` decides by the rule of `fixed`.',
    }),
    SURPRISE_HALF_LIFE_MESSAGES: documented(integer(500, 10, 1_000_000), {
      section: 'Memory',
      description: 'Number of messages after which a message counts half in the running statistics.',
    }),
    DECISIONS_MAX_ENTRIES: documented(integer(1_000, 1, 10_000_000), {
      section: 'Memory',
      description: 'Maximum number of decisions that are kept of a user; the oldest are dropped.',
    }),
  },
  needs: {
    REDIS_URL: redisSettings.variables.REDIS_URL,
    EMBEDDINGS_MODEL: vorpalSettings.variables.EMBEDDINGS_MODEL,
    LOCAL_VORPAL_EMBEDDING_MODEL: vorpalSettings.variables.LOCAL_VORPAL_EMBEDDING_MODEL,
  },
  toSettings: (env) => ({
    backend: env.REDIS_URL === undefined ? ('sqlite' as const) : ('redis' as const),
    embeddingsModel: embeddingsModelOf(env),
    surpriseMode: env.SURPRISE_MODE,
    perplexityWeight: env.SURPRISE_PERPLEXITY_WEIGHT,
    noveltyWeight: env.SURPRISE_NOVELTY_WEIGHT,
    perplexityDivisor: env.SURPRISE_PERPLEXITY_DIVISOR,
    threshold: env.SURPRISE_THRESHOLD,
    keepRate: env.SURPRISE_KEEP_RATE,
    adaptiveNoveltyWeight: env.SURPRISE_ADAPTIVE_NOVELTY_WEIGHT,
    warmUpMessages: env.SURPRISE_WARM_UP_MESSAGES,
    halfLifeMessages: env.SURPRISE_HALF_LIFE_MESSAGES,
    maxMemories: env.MEMORY_MAX_MEMORIES,
    maxBytes: env.MEMORY_MAX_BYTES,
    maxDecisions: env.DECISIONS_MAX_ENTRIES,
  }),
});

export type MemorySettings = SettingsOf<typeof memorySettings>;
