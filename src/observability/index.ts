export { OutageLog } from './outage-log.js';
export { createLogger } from './logger.js';
export { Counter, createMetricsRegistry, Gauge, Histogram, Registry } from './metrics.js';
export { UndecodableRecords } from './undecodable-records.js';
export { ProgressBar } from './progress-bar.js';
export { ObservabilityModule } from './observability.module.js';
