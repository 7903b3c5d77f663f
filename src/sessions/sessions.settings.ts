import { documented, integer, milliseconds, roomSettings, type SettingsOf } from '../config/index.js';

/** How long conversations are kept, and how much of them. */
export const sessionSettings = roomSettings({
  room: 'sessions',
  variables: {
    SESSION_TTL_MS: documented(integer(86_400_000, 1_000, 31_536_000_000), {
      section: 'Sessions',
      description: 'How long a session is kept after its last turn.',
    }),
    SESSION_MAX_TURNS: documented(integer(50, 2, 10_000), {
      section: 'Sessions',
      description:
        'Maximum number of turns (messages of either side) that are kept of a session; the oldest are dropped.',
    }),
    SESSION_READ_TIMEOUT_MS: documented(milliseconds(150), {
      section: 'Sessions',
      description:
        'How long a chat waits for its session to be read or written. After it, the chat goes on without the ' +
        'session.',
    }),
    CONTEXT_MAX_TURNS: documented(integer(2, 0, 100), {
      section: 'Sessions',
      description:
        'Number of turns before a message that are captured with it, as the context in which it is scored. `0`: ' +
        'none.',
    }),
    CONTEXT_MAX_CHARACTERS: documented(integer(2_000, 0, 100_000), {
      section: 'Sessions',
      description:
        'Longest context that is captured with a message; longer context loses its beginning. Every score costs ' +
        'the tokens of the context, too.',
    }),
  },
  toSettings: (env) => ({
    ttlMs: env.SESSION_TTL_MS,
    maxTurns: env.SESSION_MAX_TURNS,
    readTimeoutMs: env.SESSION_READ_TIMEOUT_MS,
  }),
});

export type SessionSettings = SettingsOf<typeof sessionSettings>;
