import type { Memory } from '../../memory.js';
import type { MemoryFilter } from '../../store/memory-store.port.js';

/** Whether a filter leaves a memory in. */
export function matchesFilter(memory: Memory, filter: MemoryFilter | undefined): boolean {
  if (filter === undefined) return true;
  const { sessionId, role, source, isPinned, sinceMs, untilMs, metadata, asOfMs } = filter;
  return (
    (sessionId === undefined || memory.sessionId === sessionId) &&
    (role === undefined || memory.role === role) &&
    (source === undefined || memory.source === source) &&
    (isPinned === undefined || memory.isPinned === isPinned) &&
    memory.createdAtMs >= (sinceMs ?? -Infinity) &&
    memory.createdAtMs < (untilMs ?? Infinity) &&
    memory.createdAtMs <= (asOfMs ?? Infinity) &&
    !(filter.includeQuestions === false && memory.isQuestion) &&
    !(filter.includeSuperseded === false && asOf(memory, asOfMs).supersededBy !== null) &&
    Object.entries(metadata ?? {}).every(
      ([key, value]) => Object.hasOwn(memory.metadata, key) && memory.metadata[key] === value,
    )
  );
}

/** A memory as it was at a time: a later successor does not count. */
export function asOf(memory: Memory, asOfMs: number | undefined): Memory {
  const { supersededBy } = memory;
  if (asOfMs === undefined || supersededBy === null || supersededBy.atMs <= asOfMs) return memory;
  return { ...memory, supersededBy: null };
}
