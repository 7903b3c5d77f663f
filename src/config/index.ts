export { ConfigModule } from './config.module.js';
export { environmentSchema, type Section } from './environment.schema.js';
export { readSettings, Settings, SettingsError } from './settings.js';
