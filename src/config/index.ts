export { ConfigModule } from './config.module.js';
export { environmentSchema, type Section } from './environment.schema.js';
export { ProgramEnvironment } from './program-environment.js';
export { type RedisTopology } from './redis-address.js';
export { readSettings, type RedisSettings, Settings, SettingsError } from './settings.js';
