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
  },
  toSettings: (env) => ({
    limit: env.RECALL_LIMIT,
    timeoutMs: env.RECALL_TIMEOUT_MS,
    maxTokens: env.RECALL_MAX_TOKENS,
  }),
});

export type RecallSettings = SettingsOf<typeof recallSettings>;
