import { z } from 'zod';
import { lifecycleSettings } from '../infra/lifecycle/index.js';
import {
  documented,
  integer,
  list,
  milliseconds,
  roomSettings,
  serverVariables,
  type SettingsOf,
} from '../config/index.js';

const isOrigin = (value: string): boolean =>
  URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && new URL(value).origin === value;

/** Whom the HTTP server answers, and how much it takes from one client. */
export const httpSettings = roomSettings({
  room: 'http',
  variables: {
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
    BODY_LIMIT_BYTES: serverVariables.BODY_LIMIT_BYTES,
    MESSAGE_MAX_CHARACTERS: documented(integer(32_768, 1, 1_000_000), {
      section: 'Chat',
      description: 'Longest `message` (UTF-16 code units) that `/chat` and longest text that `/perplexity` accepts.',
    }),
  },
  needs: {
    HOST: lifecycleSettings.variables.HOST,
  },
  toSettings: (env) => ({
    host: env.HOST,
    bodyLimitBytes: env.BODY_LIMIT_BYTES,
    requestTimeoutMs: env.REQUEST_TIMEOUT_MS,
    keepAliveTimeoutMs: env.KEEP_ALIVE_TIMEOUT_MS,
    maxConnections: env.MAX_CONNECTIONS,
    allowedHosts: env.ALLOWED_HOSTS,
    corsOrigins: env.CORS_ORIGINS,
    messageMaxCharacters: env.MESSAGE_MAX_CHARACTERS,
  }),
});

export type HttpSettings = SettingsOf<typeof httpSettings>;
