import { z } from 'zod';
import { isTimeZone, localTimeZone } from '../shared/index.js';
import { documented, integer, milliseconds, roomSettings, type SettingsOf } from '../config/index.js';

const timeZone = z.string().refine(isTimeZone, 'must be a time zone, like Europe/Berlin');

/** How many memories a chat is given, and how long it waits for them. */
export const recallSettings = roomSettings({
  room: 'recall',
  variables: {
    RECALL_LIMIT: documented(integer(20, 0, 100), {
      section: 'Recall',
      description: 'Maximum number of memories that the model gets with a chat. `0`: no recall.',
    }),
    RECALL_TIMEOUT_MS: documented(milliseconds(150), {
      section: 'Recall',
      description: 'Time limit of recall. After it, the chat goes on without memories.',
    }),
    RECALL_MAX_TOKENS: documented(integer(1_000, 16, 1_000_000), {
      section: 'Recall',
      description: 'Maximum number of tokens (estimated) that memories may take in the prompt.',
    }),
    TIME_ZONE: documented(timeZone.default(localTimeZone), {
      section: 'Recall',
      description: 'Time zone of the dates in the prompt, like `Europe/Berlin`, if a request names none.',
      defaultText: 'that of the machine',
    }),
  },
  toSettings: (env) => ({
    limit: env.RECALL_LIMIT,
    timeoutMs: env.RECALL_TIMEOUT_MS,
    maxTokens: env.RECALL_MAX_TOKENS,
  }),
});

export type RecallSettings = SettingsOf<typeof recallSettings>;
