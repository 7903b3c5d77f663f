export { Storage, type StorageBackend, StorageConfigurationError } from './storage.js';
export { StorageModule } from './storage.module.js';
