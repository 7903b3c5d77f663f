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
  },
  toSettings: (env) => ({
    ttlMs: env.SESSION_TTL_MS,
    maxTurns: env.SESSION_MAX_TURNS,
    readTimeoutMs: env.SESSION_READ_TIMEOUT_MS,
  }),
});

export type SessionSettings = SettingsOf<typeof sessionSettings>;
