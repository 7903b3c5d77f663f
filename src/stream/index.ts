export { CaptureService } from './capture.service.js';
export {
  type DeliveredEntry,
  InputStream,
  type ReadOptions,
  type StreamEntry,
  type StreamStatistics,
} from './input-stream.port.js';
export { StreamUnavailableError } from './stream.errors.js';
export { StreamHealth } from './stream.health.js';
export { StreamModule } from './stream.module.js';
