export * from './abort.js';
export * from './backoff.js';
export * from './errors.js';
export * from './ids.js';
export * from './preview.js';
export * from './time-limit.js';
export * from './token-estimate.js';
