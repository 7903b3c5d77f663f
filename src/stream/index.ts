export { CaptureService } from './capture.service.js';
export { type DeadLetter, type DeadLetterPage, DeadLetterStore } from './dead-letters/dead-letter-store.port.js';
export { toDeadLetterBody, toDeadLetterSummary } from './dead-letters/dead-letters.schema.js';
export { DeadLettersApiModule } from './dead-letters/dead-letters-api.module.js';
export {
  type DeliveredEntry,
  InputStream,
  type ReadOptions,
  type StreamEntry,
  type StreamStatistics,
  type Unsettled,
} from './input-stream.port.js';
export { AbandonedSpoolsModule } from './abandoned-spools.module.js';
export { DeadLetterNotFoundError, DeadLetterUndecodableError } from './dead-letters/dead-letters.errors.js';
export { StreamUnavailableError } from './stream.errors.js';
export { StreamHealth } from './stream.health.js';
export { streamSettings } from './stream.settings.js';
export { StreamModule } from './stream.module.js';
