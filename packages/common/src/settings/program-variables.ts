import { z } from 'zod';
import { documented, integer, milliseconds, text } from './variables.js';

/** What the brain and the local Vorpal both are told: limits of an HTTP server, and the key between the two. */
export const serverVariables = {
  BODY_LIMIT_BYTES: documented(integer(1_048_576, 1_024, 104_857_600), {
    section: 'Server',
    description: 'Largest request body. A larger one is answered with 413 before it is read.',
  }),
  SHUTDOWN_GRACE_MS: documented(milliseconds(4_000), {
    section: 'Server',
    description:
      'How long a stopping process lets requests and batches in flight finish before it cancels them. Keep it ' +
      'below the grace period of the supervisor (Kubernetes: 30 s), which kills the process after it.',
  }),
};

export const apiKeyVariables = {
  VORPAL_API_KEY: documented(text.optional(), {
    section: 'Vorpal',
    description: 'Bearer token for `VORPAL_URL`; the local Vorpal demands it if it is set.',
  }),
};

/** What the local Vorpal calls the embedding models that `LOCAL_VORPAL_EMBEDDING_MODEL` can name. */
export const EMBEDDING_MODEL_IDS = { minilm: 'all-MiniLM-L6-v2', multilingual: 'multilingual-e5-small' } as const;

export type EmbeddingModelName = keyof typeof EMBEDDING_MODEL_IDS;

/** The brain asks for the model that the local Vorpal is told to load. */
export const embeddingModelVariables = {
  LOCAL_VORPAL_EMBEDDING_MODEL: documented(
    z.enum(['minilm', 'multilingual'], 'must be minilm or multilingual').default('minilm'),
    {
      section: 'Local Vorpal',
      description:
        'Embedding model: `minilm` reads English; `multilingual` reads a hundred languages and costs a few times ' +
        'the work (docs/models.md). After a change, run `npm run memories:reembed`.',
    },
  ),
};

export const logVariables = {
  NODE_ENV: documented(text.default('development'), {
    section: 'Logs',
    description: '`production` writes logs as JSON, one object a line, without the text of messages.',
  }),
  LOG_LEVEL: documented(z.enum(['fatal', 'error', 'warn', 'log', 'debug', 'verbose']).default('log'), {
    section: 'Logs',
    description: 'Lowest level that is logged.',
  }),
  LOG_FORMAT: documented(z.enum(['text', 'json']).optional(), {
    section: 'Logs',
    description: 'Format of the log lines.',
    defaultText: '`json` in production, else `text`',
  }),
};

type LogVariables = z.output<z.ZodObject<typeof logVariables>>;

export interface LogSettings {
  readonly level: LogVariables['LOG_LEVEL'];
  readonly format: 'text' | 'json';
}

export function logSettings(env: LogVariables): LogSettings {
  return { level: env.LOG_LEVEL, format: env.LOG_FORMAT ?? (env.NODE_ENV === 'production' ? 'json' : 'text') };
}
