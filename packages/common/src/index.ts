export { isAbortError, sleep } from './abort.js';
export { type BackoffOptions, fullJitterBackoffMs } from './backoff.js';
export { BrainError, describeError } from './errors.js';
export { nameId, newId } from './ids.js';
export { createLogger } from './logger.js';
export { Counter, createMetricsRegistry, Gauge, Histogram, Registry } from './metrics.js';
export {
  type DocumentedVariable,
  documentedVariables,
  renderConfigurationDocs,
} from './settings/configuration-docs.js';
export {
  apiKeyVariables,
  EMBEDDING_MODEL_IDS,
  type EmbeddingModelName,
  embeddingModelVariables,
  logSettings,
  type LogSettings,
  logVariables,
  serverVariables,
} from './settings/program-variables.js';
export { deepFreeze, type DeepReadonly, readVariables, SettingsError } from './settings/read-variables.js';
export * from './settings/variables.js';
export { TickCork } from './tick-cork.js';
export { blankUnsafe, escapeUnsafe } from './unsafe-text.js';
