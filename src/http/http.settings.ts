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
        'Names, separated by commas, that the header `Host` may have besides IP addresses and `localhost`. ' +
        'Requests under another name are refused, so that a foreign name that points here is of no use to an ' +
        'attacker.',
      defaultText: 'none if `HOST` is a loopback address; otherwise any name is accepted until this is set',
    }),
    CORS_ORIGINS: documented(list(z.string().refine(isOrigin, 'must list origins, like https://app.example.org')), {
      section: 'Server',
      description:
        'Origins, separated by commas, whose pages may send requests and read the answers. Pages of other sites ' +
        'are refused.',
      defaultText: 'none',
    }),
    REQUEST_TIMEOUT_MS: documented(milliseconds(60_000, 100), {
      section: 'Server',
      description:
        'Time limit for the headers of a request, and again for its body. For an import, the longest pause. ' +
        'Answers have other limits.',
    }),
    KEEP_ALIVE_TIMEOUT_MS: documented(milliseconds(72_000), {
      section: 'Server',
      description:
        'How long an idle connection is kept open. Keep it above the idle time of the load balancer in front, or ' +
        'the load balancer sends requests into connections that are closing.',
    }),
    MAX_CONNECTIONS: documented(integer(2_048, 1, 1_000_000), {
      section: 'Server',
      description:
        'Maximum number of connections. Beyond it, the one that has been idle longest is closed; if none is idle,' +
        ' a new one gets 503.',
    }),
    BODY_LIMIT_BYTES: serverVariables.BODY_LIMIT_BYTES,
    MESSAGE_MAX_CHARACTERS: documented(integer(32_768, 1, 1_000_000), {
      section: 'Chat',
      description: 'Longest `message` of `/chat` and longest text of `/perplexity`, in UTF-16 code units.',
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
