export { ConfigModule } from './config.module.js';
export { ProgramEnvironment } from './program-environment.js';
export { environmentSchemaOf, type RoomSettings, roomSettings, type SettingsOf } from './define-settings.js';
export { Settings } from './settings.js';
export {
  apiKeyVariables,
  documented,
  EMBEDDING_MODEL_IDS,
  embeddingModelVariables,
  flag,
  httpUrl,
  integer,
  list,
  logSettings,
  logVariables,
  milliseconds,
  number,
  optionalFlag,
  optionalInteger,
  port,
  serverVariables,
  SettingsError,
  text,
} from '@archive-brain/common';
