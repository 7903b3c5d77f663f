import { assertVectors, type MemoryLimits } from '../../store/memory-limits.js';
import type { IndexedMemory } from '../../store/memory-store.port.js';
import { NO_GENERATION, type RedisEmbeddingSpaces, type StoredSpaces } from './redis-embedding-spaces.js';
import { parseFlag } from './redis-memory-replies.js';
import type { RedisUsers } from './redis-users.js';
import { MAKE_ROOM } from './scripts/redis-write-scripts.js';

/** The settings of all writes: the embedding space of new vectors, and the limits of a user. */
export class RedisWrites {
  /** The limits as scripts take them: the number of memories, then their bytes. */
  readonly room: readonly [maxMemories: number, maxBytes: number];

  constructor(
    private readonly users: RedisUsers,
    private readonly spaces: RedisEmbeddingSpaces,
    { maxMemories, maxBytes }: Pick<MemoryLimits, 'maxMemories' | 'maxBytes'>,
  ) {
    this.room = [maxMemories, maxBytes];
  }

  /** @throws MemoryVectorError unless all vectors belong to the current space */
  async spacesFor(memories: readonly IndexedMemory[]): Promise<StoredSpaces> {
    const spaces = await this.spaces.recent();
    assertVectors(
      memories.map(({ vector }) => vector),
      spaces.current,
    );
    return spaces;
  }

  /** For a write that adds no memory. */
  async recentSpaces(): Promise<StoredSpaces> {
    return this.spaces.recent();
  }

  /** Continues a removal that would have blocked the server too long in one script. */
  async makeRoom(userId: string, spaces: StoredSpaces, hasMore: boolean): Promise<void> {
    for (let goesOn = hasMore; goesOn;) {
      goesOn = parseFlag(await this.users.run(MAKE_ROOM, userId, writable(spaces), this.room));
    }
  }

  /**
   * Runs `remove` on the vectors of every generation; once more if another had been begun by then. What is removed gets
   * no vector afterwards, so that is enough.
   */
  async onAllGenerations(remove: (generations: readonly number[]) => Promise<unknown>): Promise<unknown> {
    const known = allGenerations(await this.spaces.recent());
    const reply = await remove(known);
    const now = allGenerations(await this.spaces.read());
    if (now.some((generation) => !known.includes(generation))) await remove(now);
    return reply;
  }
}

/** The generations of vectors that a write touches: it adds to the first and takes away from both. */
export function writable({ current, next }: StoredSpaces): number[] {
  return [current?.generation ?? NO_GENERATION, ...(next ? [next.generation] : [])];
}

function allGenerations(spaces: StoredSpaces): number[] {
  return [...writable(spaces), ...spaces.abandoned];
}
