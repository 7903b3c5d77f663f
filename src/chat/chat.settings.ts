import { z } from 'zod';
import { httpSettings } from '../http/index.js';
import { memorySettings, recallSettings } from '../memory/index.js';
import { sessionSettings } from '../sessions/index.js';
import { vorpalSettings } from '../vorpal/index.js';
import { documented, integer, roomSettings, type SettingsOf, text } from '../config/index.js';

// What SmolLM2's authors sample their small model with.
const EMBEDDED_TEMPERATURE = 0.2;

/** What an answer is asked for with, and what is captured with its message. */
export const chatSettings = roomSettings({
  room: 'chat',
  variables: {
    CHAT_MAX_TOKENS: documented(integer(512, 1, 131_072), {
      section: 'Chat',
      description:
        'Maximum number of tokens of one answer; fewer if the window has less room. Without a maximum, a model ' +
        'that does not stop fills its whole window.',
    }),
    CHAT_TEMPERATURE: documented(z.coerce.number<string>('must be a number').min(0).max(2).optional(), {
      section: 'Chat',
      description: 'Sampling temperature of answers.',
      defaultText: '0.2 with the embedded Vorpal, whose small model rambles above it; else the default of the server',
    }),
    CHAT_SYSTEM_PROMPT: documented(text.default('You are a helpful assistant.'), {
      section: 'Chat',
      description: 'System message at the start of every conversation.',
    }),
  },
  needs: {
    MESSAGE_MAX_CHARACTERS: httpSettings.variables.MESSAGE_MAX_CHARACTERS,
    CAPTURE_ASSISTANT: memorySettings.variables.CAPTURE_ASSISTANT,
    TIME_ZONE: recallSettings.variables.TIME_ZONE,
    CONTEXT_MAX_TURNS: sessionSettings.variables.CONTEXT_MAX_TURNS,
    CONTEXT_MAX_CHARACTERS: sessionSettings.variables.CONTEXT_MAX_CHARACTERS,
    VORPAL_URL: vorpalSettings.variables.VORPAL_URL,
  },
  toSettings: (env) => ({
    messageMaxCharacters: env.MESSAGE_MAX_CHARACTERS,
    maxTokens: env.CHAT_MAX_TOKENS,
    /** `undefined`: the server's own default. */
    temperature: env.CHAT_TEMPERATURE ?? (env.VORPAL_URL === undefined ? EMBEDDED_TEMPERATURE : undefined),
    systemPrompt: env.CHAT_SYSTEM_PROMPT,
    timeZone: env.TIME_ZONE,
    captureAssistant: env.CAPTURE_ASSISTANT,
    contextMaxTurns: env.CONTEXT_MAX_TURNS,
    contextMaxCharacters: env.CONTEXT_MAX_CHARACTERS,
  }),
});

export type ChatSettings = SettingsOf<typeof chatSettings>;
