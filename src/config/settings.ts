import { deepFreeze, type DeepReadonly, EMBEDDING_MODEL_IDS, logSettings, readVariables } from '@archive-brain/common';
import { embeddingPrefixesOf } from './embedding-prefixes.js';
import { defaultConsumer, type Environment, environmentSchema } from './environment.schema.js';
import { readRedisAddress } from './redis-address.js';

// What SmolLM2's authors sample their small model with.
const EMBEDDED_TEMPERATURE = 0.2;

// The embedded Vorpal has one batch's prompts to fill its few sequences with; a second batch would only wait. For
// others these are bounds of memory and of connections: what is sent is bounded in tokens.
const DEFAULT_BATCHES = { embedded: 1, remote: 64 };
const DEFAULT_SCORING_CONCURRENCY = { embedded: 2, remote: 96 };
// vLLM answers 256 side by side unless told otherwise. The embedded one answers four: with eight times as many, the
// last one still has its answer within the time limit.
const DEFAULT_CHAT_CONCURRENCY = { embedded: 32, remote: 256 };

const vorpalOf = (env: Environment) => (env.VORPAL_URL === undefined ? 'embedded' : 'remote');
const embeddingsModelOf = (env: Environment): string =>
  env.EMBEDDINGS_MODEL ?? EMBEDDING_MODEL_IDS[env.LOCAL_VORPAL_EMBEDDING_MODEL];
const scoringConcurrencyOf = (env: Environment): number =>
  env.SCORING_CONCURRENCY ?? DEFAULT_SCORING_CONCURRENCY[vorpalOf(env)];

// What a Redis and a Sentinel listen on.
const REDIS_PORT = 6_379;
const SENTINEL_PORT = 26_379;

function redisOf(env: Environment) {
  const address = readRedisAddress(env.REDIS_URL ?? '');
  if ('problem' in address) return undefined;
  const defaultPort = env.REDIS_TOPOLOGY === 'sentinel' ? SENTINEL_PORT : REDIS_PORT;
  return {
    ...address,
    topology: env.REDIS_TOPOLOGY,
    hosts: address.hosts.map(({ host, port }) => ({ host, port: port ?? defaultPort })),
    sentinel: {
      masterName: env.REDIS_SENTINEL_MASTER,
      username: env.REDIS_SENTINEL_USERNAME,
      password: env.REDIS_SENTINEL_PASSWORD,
    },
  };
}

const nest = (env: Environment) => ({
  server: {
    role: env.BRAIN_ROLE,
    host: env.HOST,
    port: env.PORT,
    bodyLimitBytes: env.BODY_LIMIT_BYTES,
    requestTimeoutMs: env.REQUEST_TIMEOUT_MS,
    keepAliveTimeoutMs: env.KEEP_ALIVE_TIMEOUT_MS,
    maxConnections: env.MAX_CONNECTIONS,
    allowedHosts: env.ALLOWED_HOSTS,
    corsOrigins: env.CORS_ORIGINS,
    shutdownGraceMs: env.SHUTDOWN_GRACE_MS,
    dataDir: env.BRAIN_DATA_DIR,
  },
  chat: {
    messageMaxCharacters: env.MESSAGE_MAX_CHARACTERS,
    maxTokens: env.CHAT_MAX_TOKENS,
    /** `undefined`: the server's own default. */
    temperature: env.CHAT_TEMPERATURE ?? (env.VORPAL_URL === undefined ? EMBEDDED_TEMPERATURE : undefined),
    systemPrompt: env.CHAT_SYSTEM_PROMPT,
  },
  sessions: {
    ttlMs: env.SESSION_TTL_MS,
    maxTurns: env.SESSION_MAX_TURNS,
    readTimeoutMs: env.SESSION_READ_TIMEOUT_MS,
    contextMaxTurns: env.CONTEXT_MAX_TURNS,
    contextMaxCharacters: env.CONTEXT_MAX_CHARACTERS,
    captureAssistant: env.CAPTURE_ASSISTANT,
  },
  memory: {
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
  },
  recall: {
    limit: env.RECALL_LIMIT,
    timeoutMs: env.RECALL_TIMEOUT_MS,
    maxTokens: env.RECALL_MAX_TOKENS,
    timeZone: env.TIME_ZONE,
  },
  /** `undefined`: everything is in a file. */
  redis: redisOf(env),
  stream: {
    keyPrefix: env.REDIS_KEY_PREFIX,
    key: env.STREAM_KEY,
    group: env.STREAM_GROUP,
    consumer: env.STREAM_CONSUMER ?? defaultConsumer(env.PORT),
    claimIdleMs: env.STREAM_CLAIM_IDLE_MS,
    spoolMaxBytes: env.STREAM_SPOOL_MAX_BYTES,
    maxAttempts: env.STREAM_MAX_ATTEMPTS,
  },
  worker: {
    enabled: env.ASYNC_MEMORY && env.BRAIN_ROLE !== 'api',
    batchSize: env.WORKER_BATCH_SIZE,
    // A batch beyond the scoring requests that may be under way would only wait for one of them, with its texts in
    // memory.
    maxBatches: Math.min(env.WORKER_MAX_BATCHES ?? DEFAULT_BATCHES[vorpalOf(env)], scoringConcurrencyOf(env)),
    blockMs: env.WORKER_BLOCK_MS,
    backoffMaxMs: env.WORKER_BACKOFF_MAX_MS,
    logMessages: env.WORKER_LOG_MESSAGES ?? env.NODE_ENV !== 'production',
    historySize: env.WORKER_HISTORY_SIZE,
  },
  vorpal: {
    /** `undefined`: the brain starts the local Vorpal and learns its address from it. */
    url: env.VORPAL_URL,
    apiKey: env.VORPAL_API_KEY,
    model: env.VORPAL_MODEL,
    embeddingsUrl: env.EMBEDDINGS_URL,
    embeddingsApiKey: env.EMBEDDINGS_API_KEY ?? (env.EMBEDDINGS_URL === undefined ? env.VORPAL_API_KEY : undefined),
    embeddingsModel: embeddingsModelOf(env),
    embeddingPrefixes: embeddingPrefixesOf(embeddingsModelOf(env), {
      ...(env.EMBEDDINGS_QUERY_PREFIX !== undefined && { query: env.EMBEDDINGS_QUERY_PREFIX }),
      ...(env.EMBEDDINGS_PASSAGE_PREFIX !== undefined && { passage: env.EMBEDDINGS_PASSAGE_PREFIX }),
    }),
    connectTimeoutMs: env.VORPAL_CONNECT_TIMEOUT_MS,
    chatTimeoutMs: env.VORPAL_CHAT_TIMEOUT_MS,
    scoringTimeoutMs: env.VORPAL_SCORING_TIMEOUT_MS,
    retries: env.VORPAL_RETRIES,
    breakerFailures: env.VORPAL_BREAKER_FAILURES,
    breakerOpenMs: env.VORPAL_BREAKER_OPEN_MS,
    chatConcurrency: env.CHAT_CONCURRENCY ?? DEFAULT_CHAT_CONCURRENCY[vorpalOf(env)],
    scoringMaxTokensPerRequest: env.SCORING_MAX_TOKENS_PER_REQUEST,
    scoringConcurrency: scoringConcurrencyOf(env),
    scoringPrefix: env.SCORING_PREFIX,
    scoringWindowTokens: env.SCORING_WINDOW_TOKENS,
    scoringWindowOverlapTokens: env.SCORING_WINDOW_OVERLAP_TOKENS,
  },
  logs: logSettings(env),
});

type SettingsShape = DeepReadonly<ReturnType<typeof nest>>;

/** Validated, nested, frozen settings. The class is its own injection token. */
export class Settings {
  readonly server: SettingsShape['server'];
  readonly chat: SettingsShape['chat'];
  readonly sessions: SettingsShape['sessions'];
  readonly memory: SettingsShape['memory'];
  readonly recall: SettingsShape['recall'];
  readonly redis: SettingsShape['redis'];
  readonly stream: SettingsShape['stream'];
  readonly worker: SettingsShape['worker'];
  readonly vorpal: SettingsShape['vorpal'];
  readonly logs: SettingsShape['logs'];

  constructor(environment: Environment) {
    const nested = nest(environment);
    this.server = nested.server;
    this.chat = nested.chat;
    this.sessions = nested.sessions;
    this.memory = nested.memory;
    this.recall = nested.recall;
    this.redis = nested.redis;
    this.stream = nested.stream;
    this.worker = nested.worker;
    this.vorpal = nested.vorpal;
    this.logs = nested.logs;
    deepFreeze(this);
  }
}

export type RedisSettings = NonNullable<Settings['redis']>;

/**
 * Environment variables → settings.
 * @throws SettingsError with one line per wrong variable
 */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  return new Settings(readVariables(environmentSchema, environment));
}
