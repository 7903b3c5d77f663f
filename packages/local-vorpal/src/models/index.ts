export { type EmbeddingModelFiles, type LanguageModelFile, ModelStore, type ModelStoreOptions } from './model-store.js';
export { ModelInvalidError, ModelUnavailableError } from './models.errors.js';
export type { ProgressReporter, ProgressTask } from './progress.js';
