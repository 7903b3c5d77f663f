export { ConfigModule } from './config.module.js';
export { environmentSchema } from './environment.schema.js';
export { ProgramEnvironment } from './program-environment.js';
export { type RedisTopology } from './redis-address.js';
export { readSettings, type RedisSettings, Settings } from './settings.js';
export { SettingsError } from '@archive-brain/common';
