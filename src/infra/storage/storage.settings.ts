import envPaths from 'env-paths';
import { lifecycleSettings } from '../lifecycle/index.js';
import { documented, roomSettings, type SettingsOf, text } from '../../config/index.js';

const paths = envPaths('archive-brain', { suffix: '' });

/** The folder of an embedded store, and the role of the brain that uses it. */
export const storageSettings = roomSettings({
  room: 'storage',
  variables: {
    BRAIN_DATA_DIR: documented(text.default(paths.data), {
      section: 'Server',
      description:
        'Folder for the SQLite file with stream, sessions and memories, and for the spool of messages that wait ' +
        'while the stream cannot be reached.',
      defaultText: "the user's data folder (`~/.local/share/archive-brain` on Linux)",
    }),
  },
  needs: {
    BRAIN_ROLE: lifecycleSettings.variables.BRAIN_ROLE,
    SHUTDOWN_GRACE_MS: lifecycleSettings.variables.SHUTDOWN_GRACE_MS,
  },
  toSettings: (env) => ({
    dataDir: env.BRAIN_DATA_DIR,
    /** Which halves of the data folder are this process's. */
    role: env.BRAIN_ROLE,
    shutdownGraceMs: env.SHUTDOWN_GRACE_MS,
  }),
});

export type StorageSettings = SettingsOf<typeof storageSettings>;
