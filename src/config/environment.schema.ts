import {
  apiKeyVariables,
  documented,
  embeddingModelVariables,
  flag,
  httpUrl,
  integer,
  list,
  logVariables,
  milliseconds,
  number,
  optionalFlag,
  optionalInteger,
  port,
  serverVariables,
  text,
} from '@archive-brain/common';
import envPaths from 'env-paths';
import { hostname } from 'node:os';
import { z } from 'zod';
import { hasHashTag, isTimeZone, localTimeZone } from '../shared/index.js';
import { readRedisAddress, REDIS_TOPOLOGIES } from './redis-address.js';

const paths = envPaths('archive-brain', { suffix: '' });

const timeZone = z.string().refine(isTimeZone, 'must be a time zone, like Europe/Berlin');
const isOrigin = (value: string): boolean =>
  URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && new URL(value).origin === value;
const redisUrl = text.meta({ format: 'uri' }).superRefine((url, context) => {
  const address = readRedisAddress(url);
  if ('problem' in address) context.addIssue({ code: 'custom', message: address.problem });
});

const variables = z.object({
  HOST: documented(text.default('127.0.0.1'), {
    section: 'Server',
    description: 'Address to listen on. `0.0.0.0` inside a container.',
  }),
  BRAIN_ROLE: documented(z.enum(['all', 'api', 'worker'], 'must be all, api or worker').default('all'), {
    section: 'Server',
    description:
      '`api` answers chats and captures, `worker` processes what was captured and has health and metrics only, ' +
      '`all` does both. Roles in processes of their own need one store: `REDIS_URL`, or one `BRAIN_DATA_DIR` on ' +
      'one machine, which one `api` and one `worker` may share.',
  }),
  PORT: documented(port(8080), { section: 'Server', description: 'Port to listen on; `0` picks a free one.' }),
  ALLOWED_HOSTS: documented(list(z.string().regex(/^[^\s/,]+$/, 'must list names without a scheme')), {
    section: 'Server',
    description:
      'Names, separated by commas, that a `Host` header may have besides addresses and `localhost`. A foreign ' +
      'name that was made to point here is refused.',
    defaultText: 'none where `HOST` is a loopback address; elsewhere any name is accepted until this is set',
  }),
  CORS_ORIGINS: documented(list(z.string().refine(isOrigin, 'must list origins, like https://app.example.org')), {
    section: 'Server',
    description:
      'Origins, separated by commas, whose pages may send requests and read the answers. Pages of any other site ' +
      'are refused.',
    defaultText: 'none',
  }),
  REQUEST_TIMEOUT_MS: documented(milliseconds(60_000, 100), {
    section: 'Server',
    description:
      'How long a client may take to send the headers of a request, and how long for its body; an import may ' +
      'stand still for as long. Answers have limits of their own.',
  }),
  KEEP_ALIVE_TIMEOUT_MS: documented(milliseconds(72_000), {
    section: 'Server',
    description:
      'How long a connection is kept for another request. Keep it above the idle time of the load balancer before ' +
      'it, which otherwise sends requests into connections that are closing.',
  }),
  MAX_CONNECTIONS: documented(integer(2_048, 1, 1_000_000), {
    section: 'Server',
    description:
      'Most connections. Above it the one that has been idle for longest is closed; where none is idle, new ones ' +
      'get 503.',
  }),
  ...serverVariables,
  BRAIN_DATA_DIR: documented(text.default(paths.data), {
    section: 'Server',
    description:
      'Folder for the embedded stream, sessions and memories, and for messages that wait while the stream cannot ' +
      'be reached.',
    defaultText: "the user's data folder (`~/.local/share/archive-brain` on Linux)",
  }),

  MESSAGE_MAX_CHARACTERS: documented(integer(32_768, 1, 1_000_000), {
    section: 'Chat',
    description: 'Longest `message` (UTF-16 code units) that `/chat` and longest text that `/perplexity` accepts.',
  }),
  CHAT_MAX_TOKENS: documented(integer(512, 1, 131_072), {
    section: 'Chat',
    description:
      'Most tokens of one answer; less where the window leaves less. Without it a model that does not stop fills ' +
      'its whole window.',
  }),
  CHAT_TEMPERATURE: documented(z.coerce.number<string>('must be a number').min(0).max(2).optional(), {
    section: 'Chat',
    description: 'Sampling temperature of answers.',
    defaultText: '0.2 with the embedded Vorpal, whose small model rambles above it; else the server’s own default',
  }),
  CHAT_SYSTEM_PROMPT: documented(text.default('You are a helpful assistant.'), {
    section: 'Chat',
    description: 'System message that stands before every conversation.',
  }),

  CHAT_CONCURRENCY: documented(optionalInteger(1, 4_096), {
    section: 'Chat',
    description:
      'Most chats of this process under way at Vorpal at once, streamed ones until their end; a further one is ' +
      'answered 503 with `Retry-After` at once. Each holds a connection of its own. More than Vorpal answers side ' +
      'by side (vLLM’s `--max-num-seqs`) only wait there.',
    defaultText: '256; 32 with the embedded Vorpal',
  }),

  SESSION_TTL_MS: documented(integer(86_400_000, 1_000, 31_536_000_000), {
    section: 'Sessions',
    description: 'How long a session is kept after its last turn.',
  }),
  SESSION_MAX_TURNS: documented(integer(50, 2, 10_000), {
    section: 'Sessions',
    description: 'Most turns (messages of either side) kept of a session; the oldest give way.',
  }),
  SESSION_READ_TIMEOUT_MS: documented(milliseconds(150), {
    section: 'Sessions',
    description: 'How long a chat waits for its session to be read or written. Past it the chat goes on without.',
  }),
  CONTEXT_MAX_TURNS: documented(integer(2, 0, 100), {
    section: 'Sessions',
    description: 'Turns before a message that are captured with it, as the context it is scored in; `0`: none.',
  }),
  CONTEXT_MAX_CHARACTERS: documented(integer(2_000, 0, 100_000), {
    section: 'Sessions',
    description:
      'Longest context captured with a message; it is cut at its start. Its tokens are paid with every score.',
  }),

  REDIS_URL: documented(redisUrl.optional(), {
    section: 'Stream',
    description:
      'Redis (8 or later) that carries stream, sessions and memories: ' +
      '`redis[s]://[user[:password]@]host[:port][,host[:port]…][/database]`, with percent-encoding in user and ' +
      'password; `rediss` is TLS. Not set: an SQLite file in `BRAIN_DATA_DIR`.',
  }),
  REDIS_TOPOLOGY: documented(z.enum(REDIS_TOPOLOGIES, 'must be single, sentinel or cluster').default('single'), {
    section: 'Stream',
    description:
      'What the hosts of `REDIS_URL` are. `single`: the one server. `sentinel`: Sentinels (port 26379 unless told ' +
      'otherwise) that know the server; user, password and database are the server’s. `cluster`: some nodes of a ' +
      'Redis Cluster, which name the others.',
  }),
  REDIS_SENTINEL_MASTER: documented(text.default('mymaster'), {
    section: 'Stream',
    description: 'Name under which the Sentinels know the server (`REDIS_TOPOLOGY=sentinel`).',
  }),
  REDIS_SENTINEL_USERNAME: documented(text.optional(), {
    section: 'Stream',
    description: 'User for the Sentinels themselves, where they ask for one.',
  }),
  REDIS_SENTINEL_PASSWORD: documented(text.optional(), {
    section: 'Stream',
    description: 'Password for the Sentinels themselves, where they ask for one.',
  }),
  STREAM_KEY: documented(text.default('session:input_stream'), {
    section: 'Stream',
    description:
      'Key of the stream in Redis. Dead letters go to the same key with `:dead` appended; on a cluster to ' +
      '`{STREAM_KEY}:dead`, which is on the stream’s slot.',
  }),
  REDIS_KEY_PREFIX: documented(z.string().default(''), {
    section: 'Stream',
    description:
      'Put before the keys of memories and sessions in Redis, so that two brains with different data can share ' +
      'one server.',
  }),
  STREAM_GROUP: documented(text.default('memory-workers'), {
    section: 'Stream',
    description: 'Consumer group in Redis.',
  }),
  STREAM_CONSUMER: documented(text.optional(), {
    section: 'Stream',
    description:
      'Name of this consumer. Keep it over restarts: a restarted consumer takes up its own pending entries at once.',
    defaultText: 'host name and port',
  }),
  STREAM_CLAIM_IDLE_MS: documented(milliseconds(60_000, 100), {
    section: 'Stream',
    description:
      'An entry that another consumer has held this long is taken over. A consumer renews its hold on what it ' +
      'works on at a third of this time, so only those that hang or are gone lose their entries.',
  }),
  STREAM_SPOOL_MAX_BYTES: documented(integer(268_435_456, 0, 68_719_476_736), {
    section: 'Stream',
    description:
      'Most bytes of messages kept on the disk (`BRAIN_DATA_DIR`) while the stream cannot be reached; what comes ' +
      'on top is dropped, counted and logged. `0`: none is kept.',
  }),
  STREAM_MAX_ATTEMPTS: documented(integer(3, 1, 100), {
    section: 'Stream',
    description: 'Attempts of an entry that fails while others succeed, before it goes to the dead letters.',
  }),

  ASYNC_MEMORY: documented(flag(true), {
    section: 'Memory worker',
    description: 'Whether the memory worker runs. Messages are captured either way and wait in the stream.',
  }),
  WORKER_BATCH_SIZE: documented(integer(10, 1, 64), {
    section: 'Memory worker',
    description: 'Most entries of one batch; they are scored in one request.',
  }),
  WORKER_MAX_BATCHES: documented(optionalInteger(1, 256), {
    section: 'Memory worker',
    description:
      'Most batches processed at once, and never more than `SCORING_CONCURRENCY`; each is held in memory. Up to ' +
      'it the worker begins as many as find their turn to be scored. `1`: one after another.',
    defaultText:
      '64, which leaves a third of `SCORING_CONCURRENCY` to `/perplexity`; 1 with the embedded Vorpal, whose ' +
      'processors one batch keeps busy',
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
    defaultText: '`false` in production, where logs are kept and read by others; else `true`',
  }),
  WORKER_HISTORY_SIZE: documented(integer(50, 0, 1_000), {
    section: 'Memory worker',
    description: 'How many of the last scored entries `GET /memory-worker` shows. They are held in memory.',
  }),

  SURPRISE_MODE: documented(z.enum(['all', 'fixed', 'adaptive'], 'must be all, fixed or adaptive').default('all'), {
    section: 'Memory',
    description:
      '`all`: every message is kept, and its surprise says what is forgotten first. The others keep less: ' +
      '`adaptive` the most surprising `SURPRISE_KEEP_RATE` of what a user says, `fixed` what reaches ' +
      '`SURPRISE_THRESHOLD`.',
  }),
  MEMORY_MAX_MEMORIES: documented(integer(50_000, 10, 10_000_000), {
    section: 'Memory',
    description:
      'Most memories of a user. Over it, the one that carries least information goes, unless it is pinned; having ' +
      'been recalled counts for it.',
  }),
  MEMORY_MAX_BYTES: documented(integer(67_108_864, 65_536, 1_099_511_627_776), {
    section: 'Memory',
    description: 'Most bytes that the texts, contexts and metadata of a user may take together; over it as above.',
  }),
  CAPTURE_ASSISTANT: documented(z.enum(['off', 'context', 'all'], 'must be off, context or all').default('context'), {
    section: 'Memory',
    description:
      'What becomes of the answers. `context`: they are part of the context that the next message is scored and ' +
      'found by. `all`: they become memories as well. `off`: neither.',
  }),
  SURPRISE_PERPLEXITY_WEIGHT: documented(number(0.6, 0, 1), {
    section: 'Memory',
    description: 'Share of perplexity in the surprise (mode `fixed`).',
  }),
  SURPRISE_NOVELTY_WEIGHT: documented(number(0.4, 0, 1), {
    section: 'Memory',
    description: 'Share of novelty in the surprise (mode `fixed`).',
  }),
  SURPRISE_PERPLEXITY_DIVISOR: documented(number(5, 0.1, 100), {
    section: 'Memory',
    description: 'ln(perplexity + 1) at which the share of perplexity is full. Depends on the model (mode `fixed`).',
  }),
  SURPRISE_THRESHOLD: documented(number(0.7, 0, 2), {
    section: 'Memory',
    description: 'Least surprise that is kept (mode `fixed`, and the warm-up of `adaptive`).',
  }),
  SURPRISE_KEEP_RATE: documented(number(0.5, 0.01, 0.99), {
    section: 'Memory',
    description: 'Share of a user’s messages to keep (mode `adaptive`).',
  }),
  SURPRISE_ADAPTIVE_NOVELTY_WEIGHT: documented(number(0.2, 0, 1), {
    section: 'Memory',
    description: 'Share of novelty in the surprise (mode `adaptive`); the rest is the information in the words.',
  }),
  SURPRISE_WARM_UP_MESSAGES: documented(integer(10, 2, 10_000), {
    section: 'Memory',
    description: 'Messages of a user before which mode `adaptive` judges by the fixed rule.',
  }),
  SURPRISE_HALF_LIFE_MESSAGES: documented(integer(500, 10, 1_000_000), {
    section: 'Memory',
    description: 'Messages after which a message counts half in the running statistics.',
  }),
  DECISIONS_MAX_ENTRIES: documented(integer(1_000, 1, 10_000_000), {
    section: 'Memory',
    description: 'Most decisions kept of a user; the oldest give way.',
  }),

  RECALL_LIMIT: documented(integer(20, 0, 100), {
    section: 'Recall',
    description: 'Most memories given to the model with a chat; `0` turns recall off.',
  }),
  RECALL_TIMEOUT_MS: documented(milliseconds(150), {
    section: 'Recall',
    description: 'Time limit of recall; past it the answer goes on without memories.',
  }),
  RECALL_MAX_TOKENS: documented(integer(1_000, 16, 1_000_000), {
    section: 'Recall',
    description: 'Most tokens (estimated) that memories may take of the prompt.',
  }),
  TIME_ZONE: documented(timeZone.default(localTimeZone), {
    section: 'Recall',
    description:
      'Time zone of the dates that the model is told with the memories, like `Europe/Berlin`, where a request ' +
      'names none.',
    defaultText: 'that of the machine',
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
      'Server for `/v1/embeddings`, without `/v1`. Not set: the local Vorpal, which the brain starts for that ' +
      'even where `VORPAL_URL` names another server for chats.',
  }),
  EMBEDDINGS_API_KEY: documented(text.optional(), {
    section: 'Vorpal',
    description: 'Bearer token for `EMBEDDINGS_URL`.',
  }),
  EMBEDDINGS_MODEL: documented(text.optional(), {
    section: 'Vorpal',
    description: 'Model to ask for embeddings. After a change, `npm run memories:reembed`.',
    defaultText: '`all-MiniLM-L6-v2`, or what `LOCAL_VORPAL_EMBEDDING_MODEL` names',
  }),
  EMBEDDINGS_QUERY_PREFIX: documented(text.optional(), {
    section: 'Vorpal',
    description:
      'What the embedding model wants before a question; `none` for nothing. After a change, `npm run memories:reembed -- --again`.',
    defaultText: '`query: ` for models of the e5 family, else nothing',
  }),
  EMBEDDINGS_PASSAGE_PREFIX: documented(text.optional(), {
    section: 'Vorpal',
    description: 'The same before what is remembered.',
    defaultText: '`passage: ` for models of the e5 family, else nothing',
  }),
  VORPAL_CONNECT_TIMEOUT_MS: documented(milliseconds(2_000), {
    section: 'Vorpal',
    description: 'Time limit of small calls (models, health, tokenize). A server that is gone is noticed after it.',
  }),
  VORPAL_CHAT_TIMEOUT_MS: documented(milliseconds(120_000), {
    section: 'Vorpal',
    description: 'Time limit of an answer; of a streamed one, the longest silence.',
  }),
  VORPAL_SCORING_TIMEOUT_MS: documented(milliseconds(60_000), {
    section: 'Vorpal',
    description: 'Time limit of one scoring or embedding request, from when it is sent. A long text is several.',
  }),
  VORPAL_RETRIES: documented(integer(2, 0, 10), {
    section: 'Vorpal',
    description: 'Further attempts after a transient failure, with jittered backoff.',
  }),
  VORPAL_BREAKER_FAILURES: documented(integer(5, 1, 100), {
    section: 'Vorpal',
    description:
      'Failures in a row that open the circuit: calls then fail at once instead of waiting for a time-out each.',
  }),
  VORPAL_BREAKER_OPEN_MS: documented(milliseconds(5_000), {
    section: 'Vorpal',
    description: 'How long the circuit stays open before one call may try again.',
  }),
  SCORING_MAX_TOKENS_PER_REQUEST: documented(integer(4_096, 16, 1_000_000), {
    section: 'Vorpal',
    description:
      'Most prompt tokens in one scoring request. Prompt logprobs cost the GPU about tokens × vocabulary × 6 ' +
      'bytes at once.',
  }),
  SCORING_CONCURRENCY: documented(optionalInteger(1, 256), {
    section: 'Vorpal',
    description:
      'Most scoring requests of this process under way at once, those of the memory worker and of `/perplexity` ' +
      'together; further ones wait. How many tokens they may hold follows chats and what Vorpal works off.',
    defaultText: '96; 2 with the embedded Vorpal',
  }),
  SCORING_WINDOW_TOKENS: documented(integer(512, 16, 1_048_576), {
    section: 'Vorpal',
    description:
      'Longest piece of text scored at once, cut to the model’s window; a longer text is scored in overlapping ' +
      'pieces. A chat’s next token may have to wait for one.',
  }),
  SCORING_PREFIX: documented(text.default('auto'), {
    section: 'Vorpal',
    description:
      'Token that every text is scored after, so that its first token has a score, too. `auto`: none where the ' +
      'tokenizer adds a BOS, else the model’s document separator (like `<|endoftext|>`) if it knows one; `none`: ' +
      'nothing; else the token as the model spells it.',
  }),
  SCORING_WINDOW_OVERLAP_TOKENS: documented(integer(128, 0, 65_536), {
    section: 'Vorpal',
    description: 'Tokens of text that a window repeats from the one before it, as context. They are not counted twice.',
  }),

  ...embeddingModelVariables,
  ...logVariables,
});

type Variables = z.output<typeof variables>;

/** What two variables say together. Each is `true` where there is nothing wrong. */
const RULES: readonly {
  readonly variable: keyof Variables;
  readonly problem: string;
  readonly holds: (values: Variables) => boolean;
}[] = [
  {
    variable: 'REDIS_TOPOLOGY',
    problem: 'needs REDIS_URL',
    holds: ({ REDIS_TOPOLOGY, REDIS_URL }) => REDIS_TOPOLOGY === 'single' || REDIS_URL !== undefined,
  },
  {
    variable: 'REDIS_URL',
    problem:
      'names several hosts; set REDIS_TOPOLOGY=cluster if they are nodes of a Redis Cluster, or ' +
      'REDIS_TOPOLOGY=sentinel if they are Sentinels',
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
    variable: 'STREAM_KEY',
    problem:
      'has a } and no hash tag, so that no other key can be put on its slot of the cluster; leave it out, or use ' +
      'a hash tag, as in {brain}:stream',
    holds: ({ REDIS_TOPOLOGY, STREAM_KEY }) =>
      REDIS_TOPOLOGY !== 'cluster' || hasHashTag(STREAM_KEY) || !STREAM_KEY.includes('}'),
  },
  {
    variable: 'REDIS_KEY_PREFIX',
    problem: 'has braces, by which a cluster would place the memories of all users together, or those of one apart',
    holds: ({ REDIS_TOPOLOGY, REDIS_KEY_PREFIX }) => REDIS_TOPOLOGY !== 'cluster' || !/[{}]/.test(REDIS_KEY_PREFIX),
  },
];

function addressOf(url: string | undefined) {
  const address = readRedisAddress(url ?? '');
  return 'problem' in address ? undefined : address;
}

/** Every environment variable that the brain reads, with its default and meaning. `docs/configuration.md` is generated from it. */
export const environmentSchema = RULES.reduce(
  (schema, { variable, problem, holds }) => schema.refine(holds, { path: [variable], error: problem }),
  variables,
);

export type Environment = z.output<typeof environmentSchema>;

export const defaultConsumer = (portNumber: number): string => `${hostname()}-${portNumber}`;
