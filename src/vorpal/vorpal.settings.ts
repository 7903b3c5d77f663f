import { embeddingPrefixesOf } from './embedding-prefixes.js';
import {
  apiKeyVariables,
  documented,
  EMBEDDING_MODEL_IDS,
  embeddingModelVariables,
  httpUrl,
  integer,
  milliseconds,
  optionalInteger,
  roomSettings,
  type SettingsOf,
  text,
} from '../config/index.js';

// For a server other than the embedded one this limits connections; the load is limited in tokens.
const DEFAULT_SCORING_CONCURRENCY = { embedded: 2, remote: 96 };
// vLLM answers 256 side by side unless told otherwise. The embedded one answers four: with eight times as many, the
// last one still has its answer within the time limit.
const DEFAULT_CHAT_CONCURRENCY = { embedded: 32, remote: 256 };

/** Whether the brain starts its Vorpal itself. */
export const vorpalOf = ({ VORPAL_URL }: { readonly VORPAL_URL?: string | undefined }) =>
  VORPAL_URL === undefined ? 'embedded' : 'remote';

/** The model that embeds: the one named, or the one that the local Vorpal loads. */
export const embeddingsModelOf = (env: {
  readonly EMBEDDINGS_MODEL?: string | undefined;
  readonly LOCAL_VORPAL_EMBEDDING_MODEL: keyof typeof EMBEDDING_MODEL_IDS;
}): string => env.EMBEDDINGS_MODEL ?? EMBEDDING_MODEL_IDS[env.LOCAL_VORPAL_EMBEDDING_MODEL];

/** Most scoring requests under way at once. */
export const scoringConcurrencyOf = (env: {
  readonly VORPAL_URL?: string | undefined;
  readonly SCORING_CONCURRENCY?: number | undefined;
}): number => env.SCORING_CONCURRENCY ?? DEFAULT_SCORING_CONCURRENCY[vorpalOf(env)];

/** Which servers answer, score and embed, and within which limits they are asked. */
export const vorpalSettings = roomSettings({
  room: 'vorpal',
  variables: {
    CHAT_CONCURRENCY: documented(optionalInteger(1, 4_096), {
      section: 'Chat',
      description:
        'Maximum number of chats of this process at Vorpal at once; a streamed chat counts until it ends. A ' +
        'further one is answered at once with 503 and `Retry-After`. Each chat has a connection of its own. If ' +
        'the number is higher than vLLM’s `--max-num-seqs`, the additional chats wait at Vorpal.',
      defaultText: '256; 32 with the embedded Vorpal',
    }),
    VORPAL_URL: documented(httpUrl.optional(), {
      section: 'Vorpal',
      description: 'Address of a vLLM-compatible server, without `/v1`. Not set: the brain starts the local Vorpal.',
    }),
    ...apiKeyVariables,
    VORPAL_MODEL: documented(text.optional(), {
      section: 'Vorpal',
      description: 'Model to ask for. Not set: the first one that the server lists.',
    }),
    EMBEDDINGS_URL: documented(httpUrl.optional(), {
      section: 'Vorpal',
      description:
        'Server for `/v1/embeddings`, without `/v1`. Not set: the brain starts the local Vorpal for embeddings, ' +
        'even if `VORPAL_URL` names another server for chats.',
    }),
    EMBEDDINGS_API_KEY: documented(text.optional(), {
      section: 'Vorpal',
      description: 'Bearer token for `EMBEDDINGS_URL`.',
    }),
    EMBEDDINGS_MODEL: documented(text.optional(), {
      section: 'Vorpal',
      description: 'Model to ask for embeddings. After a change, run `npm run memories:reembed`.',
      defaultText: '`all-MiniLM-L6-v2`, or what `LOCAL_VORPAL_EMBEDDING_MODEL` names',
    }),
    EMBEDDINGS_QUERY_PREFIX: documented(text.optional(), {
      section: 'Vorpal',
      description:
        'What the embedding model expects before a query; `none` for nothing. After a change, run `npm run ' +
        'memories:reembed -- --again`.',
      defaultText: '`query: ` for models of the e5 family, else nothing',
    }),
    EMBEDDINGS_PASSAGE_PREFIX: documented(text.optional(), {
      section: 'Vorpal',
      description:
        'What the embedding model expects before a text to remember; `none` for nothing. After a change, run `npm' +
        ' run memories:reembed -- --again`.',
      defaultText: '`passage: ` for models of the e5 family, else nothing',
    }),
    VORPAL_CONNECT_TIMEOUT_MS: documented(milliseconds(2_000), {
      section: 'Vorpal',
      description:
        'Time limit of small calls (models, health, tokenize). A server that is gone is noticed after this time.',
    }),
    VORPAL_CHAT_TIMEOUT_MS: documented(milliseconds(120_000), {
      section: 'Vorpal',
      description: 'Time limit of an answer. For a streamed answer, the longest pause.',
    }),
    VORPAL_SCORING_TIMEOUT_MS: documented(milliseconds(60_000), {
      section: 'Vorpal',
      description:
        'Time limit of one scoring or embedding request, from when it is sent. A long text takes several ' +
        'requests.',
    }),
    VORPAL_RETRIES: documented(integer(2, 0, 10), {
      section: 'Vorpal',
      description: 'Further attempts after a transient failure, with jittered backoff.',
    }),
    VORPAL_BREAKER_FAILURES: documented(integer(5, 1, 100), {
      section: 'Vorpal',
      description:
        'Number of failures in a row that open the circuit breaker: calls then fail at once instead of waiting ' +
        'for a time-out each.',
    }),
    VORPAL_BREAKER_OPEN_MS: documented(milliseconds(5_000), {
      section: 'Vorpal',
      description: 'How long the circuit breaker stays open before one call may try again.',
    }),
    SCORING_MAX_TOKENS_PER_REQUEST: documented(integer(4_096, 16, 1_000_000), {
      section: 'Vorpal',
      description:
        'Maximum number of prompt tokens in one scoring request. Prompt logprobs take about tokens × vocabulary ×' +
        ' 6 bytes of GPU memory at once.',
    }),
    SCORING_CONCURRENCY: documented(optionalInteger(1, 256), {
      section: 'Vorpal',
      description:
        'Maximum number of scoring requests of this process at once, those of the memory worker and of ' +
        '`/perplexity` together; further ones wait. The number of their tokens is bounded separately: it follows ' +
        'the chats and Vorpal’s speed.',
      defaultText: '96; 2 with the embedded Vorpal',
    }),
    SCORING_WINDOW_TOKENS: documented(integer(512, 16, 1_048_576), {
      section: 'Vorpal',
      description:
        'Longest piece of text that is scored at once, at most the window of the model. A longer text is scored ' +
        'in overlapping pieces. The next token of a chat may have to wait for one piece.',
    }),
    SCORING_PREFIX: documented(text.default('auto'), {
      section: 'Vorpal',
      description:
        'Token that every text is scored after, so that its first token has a score, too. `auto`: none if the ' +
        'tokenizer adds a BOS, else the model’s document separator (like `<|endoftext|>`), if it has a known one.' +
        ' `none`: no token. Any other value: the token as the model spells it.',
    }),
    SCORING_WINDOW_OVERLAP_TOKENS: documented(integer(128, 0, 65_536), {
      section: 'Vorpal',
      description:
        'Number of tokens that a window repeats from the window before it, as context. They are not counted ' +
        'twice.',
    }),
    ...embeddingModelVariables,
  },
  toSettings: (env) => ({
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
  }),
});

export type VorpalSettings = SettingsOf<typeof vorpalSettings>;
