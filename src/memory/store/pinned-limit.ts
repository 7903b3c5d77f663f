import type { MemoryLimits } from './memory-limits.js';
import type { MemoryUsage } from './memory-store.port.js';

// If everything were pinned, nothing could make room for new memories.
const SHARE_OF_PINS = 0.5;

/** Whether a user may pin one more memory of `bytes`: pins take at most half of either limit. */
export function hasRoomToPin(
  { pinned, pinnedBytes }: Pick<MemoryUsage, 'pinned' | 'pinnedBytes'>,
  bytes: number,
  { maxMemories, maxBytes }: Pick<MemoryLimits, 'maxMemories' | 'maxBytes'>,
): boolean {
  return pinned + 1 <= maxMemories * SHARE_OF_PINS && pinnedBytes + bytes <= maxBytes * SHARE_OF_PINS;
}
