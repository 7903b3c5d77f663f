import { streamKeys } from './redis-keys.js';

describe(streamKeys.name, () => {
  it.each([
    ['single', 'session:input_stream', 'session:input_stream:dead'],
    ['sentinel', 'session:input_stream', 'session:input_stream:dead'],
    ['single', '{brain}:stream', '{brain}:stream:dead'],
    ['cluster', '{brain}:stream', '{brain}:stream:dead'],
    // The whole name as the hash tag of the others: Redis then places them where it places the name.
    ['cluster', 'session:input_stream', '{session:input_stream}:dead'],
  ] as const)('on %s, for %s: dead letters in %s', (topology, key, deadLetters) => {
    const keys = streamKeys({ key }, topology);

    const placed = deadLetters.replace(/:dead$/, '');
    expect(keys).toEqual({
      entries: key,
      deadLetters,
      knownIds: `${placed}:ids`,
      index: `${placed}:index`,
      forgotten: `${placed}:forgotten`,
    });
  });
});
