export { Counter, createLogger, createMetricsRegistry, Gauge, Histogram, Registry } from '@archive-brain/common';
export { OutageLog } from './outage-log.js';
export { UndecodableRecords } from './undecodable-records.js';
export { ProgressBar } from './progress-bar.js';
export { observabilitySettings } from './observability.settings.js';
export { ObservabilityModule } from './observability.module.js';
