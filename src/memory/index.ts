export { Embedder } from './embedder.js';
export type { Decision, EmbeddingSpace, FoundMemory, Memory, MemoryTier } from './memory.js';
export { MemoryHealth } from './memory.health.js';
export { MemoryModule } from './memory.module.js';
export { newMemory } from './memory.service.js';
export { type EmbeddedMemory, MemoryStore } from './memory-store.port.js';
export { RecallService } from './recall.service.js';
export { ReembedService } from './reembed.service.js';
export { type Remembered, RememberService, type ScoredMessage } from './remember.service.js';
