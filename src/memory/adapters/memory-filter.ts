import type { Memory } from '../memory.js';
import type { MemoryFilter } from '../memory-store.port.js';

/** Whether a filter leaves a memory in. */
export function matchesFilter(memory: Memory, filter: MemoryFilter | undefined): boolean {
  if (filter === undefined) return true;
  const { sessionId, role, source, sinceMs, untilMs, metadata, asOfMs } = filter;
  const isSuperseded = memory.supersededBy !== null && memory.supersededBy.atMs <= (asOfMs ?? Infinity);
  return (
    (sessionId === undefined || memory.sessionId === sessionId) &&
    (role === undefined || memory.role === role) &&
    (source === undefined || memory.source === source) &&
    memory.createdAtMs >= (sinceMs ?? -Infinity) &&
    memory.createdAtMs < (untilMs ?? Infinity) &&
    memory.createdAtMs <= (asOfMs ?? Infinity) &&
    !(filter.includeQuestions === false && memory.isQuestion) &&
    !(filter.includeSuperseded === false && isSuperseded) &&
    Object.entries(metadata ?? {}).every(
      ([key, value]) => Object.hasOwn(memory.metadata, key) && memory.metadata[key] === value,
    )
  );
}
