import { z } from 'zod';
import { documented, integer, milliseconds, text } from './variables.js';

/** What the brain and the local Vorpal both are told: limits of an HTTP server, and the key between the two. */
export const serverVariables = {
  BODY_LIMIT_BYTES: documented(integer(1_048_576, 1_024, 104_857_600), {
    section: 'Server',
    description: 'Largest request body; a larger one is answered with 413 before it is read.',
  }),
  SHUTDOWN_GRACE_MS: documented(milliseconds(4_000), {
    section: 'Server',
    description:
      'How long a stopping process lets requests and the batch in flight finish before it cuts them. Keep it below the supervisor’s own grace period (Kubernetes: 30 s), or the process is killed instead.',
  }),
};

export const apiKeyVariables = {
  VORPAL_API_KEY: documented(text.optional(), {
    section: 'Vorpal',
    description: 'Bearer token for `VORPAL_URL`; the local Vorpal demands it if it is set.',
  }),
};

export const logVariables = {
  NODE_ENV: documented(text.default('development'), {
    section: 'Logs',
    description: '`production` writes logs as JSON, one object a line, without the text of messages.',
  }),
  LOG_LEVEL: documented(z.enum(['fatal', 'error', 'warn', 'log', 'debug', 'verbose']).default('log'), {
    section: 'Logs',
    description: 'Least level that is written.',
  }),
  LOG_FORMAT: documented(z.enum(['text', 'json']).optional(), {
    section: 'Logs',
    description: 'Form of the log lines.',
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
