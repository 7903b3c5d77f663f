export { CaptureService } from './capture.service.js';
export { toDeadLetterBody, toDeadLetterSummary } from './dead-letters.schema.js';
export { DeadLettersApiModule } from './dead-letters-api.module.js';
export {
  type DeadLetter,
  type DeadLetterPage,
  type DeliveredEntry,
  InputStream,
  type ReadOptions,
  type StreamEntry,
  type StreamStatistics,
  type Unsettled,
} from './input-stream.port.js';
export { SpoolLeftoversModule } from './spool-leftovers.module.js';
export { DeadLetterNotFoundError, DeadLetterUndecodableError, StreamUnavailableError } from './stream.errors.js';
export { StreamHealth } from './stream.health.js';
export { StreamModule } from './stream.module.js';
