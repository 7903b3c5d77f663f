import { chatSettings } from './chat/index.js';
import { environmentSchemaOf, Settings } from './config/index.js';
import { httpSettings } from './http/index.js';
import { lifecycleSettings } from './infra/lifecycle/index.js';
import { redisSettings } from './infra/redis/index.js';
import { storageSettings } from './infra/storage/index.js';
import { memorySettings, recallSettings } from './memory/index.js';
import { memoryWorkerSettings } from './memory-worker/index.js';
import { observabilitySettings } from './observability/index.js';
import { sessionSettings } from './sessions/index.js';
import { streamSettings } from './stream/index.js';
import { vorpalSettings } from './vorpal/index.js';

/** The settings of all rooms, in the order of `docs/configuration.md`. */
export const rooms = [
  lifecycleSettings,
  httpSettings,
  storageSettings,
  chatSettings,
  sessionSettings,
  redisSettings,
  streamSettings,
  memoryWorkerSettings,
  memorySettings,
  recallSettings,
  vorpalSettings,
  observabilitySettings,
];

/** Every environment variable that the brain reads. `docs/configuration.md` is generated from it. */
export const environmentSchema = environmentSchemaOf(rooms);

/**
 * The settings of a brain, from `environment`.
 * @throws SettingsError with one line per wrong variable
 */
export const readSettings = (environment: NodeJS.ProcessEnv): Settings => Settings.read(environment, rooms);
