export { ConfigModule } from './config.module.js';
export { environmentSchema, type Section } from './environment.schema.js';
export { ProgramEnvironment } from './program-environment.js';
export { readSettings, Settings, SettingsError } from './settings.js';
