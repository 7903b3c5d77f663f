import { z } from 'zod';
import { documented, port, roomSettings, serverVariables, type SettingsOf, text } from '../../config/index.js';

/** What the process is: its part of the work, its address, and how long it may take to stop. */
export const lifecycleSettings = roomSettings({
  room: 'lifecycle',
  variables: {
    HOST: documented(text.default('127.0.0.1'), {
      section: 'Server',
      description: 'Address to listen on; `0.0.0.0` inside a container.',
    }),
    BRAIN_ROLE: documented(z.enum(['all', 'api', 'worker'], 'must be all, api or worker').default('all'), {
      section: 'Server',
      description:
        '`api` answers chats and captures messages. `worker` processes captured messages, and has only health and' +
        ' metrics. `all` does both. Separate roles need one store: `REDIS_URL`, or one `BRAIN_DATA_DIR` on one ' +
        'machine, which one `api` and one `worker` may share.',
    }),
    PORT: documented(port(8080), { section: 'Server', description: 'Port to listen on; `0` picks a free one.' }),
    SHUTDOWN_GRACE_MS: serverVariables.SHUTDOWN_GRACE_MS,
  },
  toSettings: (env) => ({
    role: env.BRAIN_ROLE,
    host: env.HOST,
    port: env.PORT,
    shutdownGraceMs: env.SHUTDOWN_GRACE_MS,
  }),
});

export type LifecycleSettings = SettingsOf<typeof lifecycleSettings>;
