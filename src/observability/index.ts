export { createLogger } from './logger.js';
export { Counter, createMetricsRegistry, Gauge, Histogram, type Registry } from './metrics.js';
export { ProgressBar } from './progress-bar.js';
