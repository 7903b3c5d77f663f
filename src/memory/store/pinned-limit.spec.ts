import { hasRoomToPin } from './pinned-limit.js';

describe(hasRoomToPin.name, () => {
  const limits = { maxMemories: 10, maxBytes: 1_000 };

  it.each([
    [{ pinned: 4, pinnedBytes: 0 }, 1, true],
    [{ pinned: 5, pinnedBytes: 0 }, 1, false],
    [{ pinned: 0, pinnedBytes: 400 }, 100, true],
    [{ pinned: 0, pinnedBytes: 400 }, 101, false],
  ])('beside %j another of %i bytes: %s', (usage, bytes, hasRoom) => {
    expect(hasRoomToPin(usage, bytes, limits)).toBe(hasRoom);
  });
});
