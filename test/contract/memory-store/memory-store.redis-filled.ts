import type { Memory } from '../../../src/memory/memory.js';
import type { MemoryStore } from '../../../src/memory/store/memory-store.port.js';
import { indexed, judgementOf, keep, axis } from './memory-store.fixtures.js';

/** A user whose name could be taken for parts of a key. */
export const USER = 'ada {a}';

/** Leaves something under every key that a user can have. */
export async function fill(
  sut: MemoryStore,
  userId = USER,
): Promise<{ readonly pinned: Memory; readonly old: Memory }> {
  const statistics = [{ model: 'llm-a', decay: 0.5, addends: [1, 2] }];
  const pinned = indexed('pinned and recalled', axis(0), { userId, isPinned: true });
  const old = indexed('said twice, then changed', axis(1), { userId });
  const again = indexed('said twice, then changed', axis(1), { userId });
  const changed = indexed('said twice, now otherwise', axis(2), { userId });
  const { id } = old.memory;
  await sut.put(userId, [pinned]);
  await sut.record(judgementOf(keep(old), { statistics }));
  await sut.record(judgementOf(keep(again, { duplicateOf: id })));
  const how = { atMs: again.memory.createdAtMs, reason: 'changed', score: 0.9 } as const;
  await sut.record(judgementOf(keep(changed, { supersedes: { id, ...how } })));
  // It holds again, and has the newer one not hold.
  await sut.put(userId, [indexed('said twice, then changed', axis(1), { userId })]);
  await sut.noteRecalled(userId, [pinned.memory.id], 1);
  return { pinned: pinned.memory, old: old.memory };
}
