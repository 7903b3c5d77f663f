export { DataFolderInUseError, lockWaitMs } from './data-folder-locks.js';
export { Storage, type StorageBackend, StorageConfigurationError } from './storage.js';
export { storageSettings, type StorageSettings } from './storage.settings.js';
export { BrainStorageModule, StorageModule } from './storage.module.js';
