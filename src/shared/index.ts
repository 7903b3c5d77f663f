export {
  type BackoffOptions,
  blankUnsafe,
  BrainError,
  describeError,
  escapeUnsafe,
  fullJitterBackoffMs,
  isAbortError,
  nameId,
  newId,
  sleep,
  TickCork,
} from '@archive-brain/common';
export * from './canary-sentence.js';
export * from './concurrency/condition.js';
export * from './concurrency/keyed-mutex.js';
export * from './peek-first.js';
export * from './preview.js';
export * from './query-count.js';
export * from './redis-hash-tag.js';
export * from './concurrency/semaphore.js';
export * from './snake-case.js';
export * from './store-refused.error.js';
export * from './concurrency/tick-batcher.js';
export * from './concurrency/time-limit.js';
export * from './time-zone.js';
export * from './token-estimate.js';
