export { MemoryWorkerHealth } from './memory-worker.health.js';
export { MemoryWorkerModule } from './memory-worker.module.js';
export { memoryWorkerSettings } from './memory-worker.settings.js';
export { WorkerStatus } from './worker-status.js';
