export { MemoryWorkerHealth } from './memory-worker.health.js';
export { MemoryWorkerModule } from './memory-worker.module.js';
export { WorkerStatus } from './worker-status.js';
