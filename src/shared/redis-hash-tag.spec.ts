import { hasHashTag } from './redis-hash-tag.js';

// The examples of Redis' own specification of clusters, "Hash tags", and what lies beside them.
describe(hasHashTag.name, () => {
  it.each([
    ['{user1000}.following', true],
    ['foo{}{bar}', false],
    ['foo{{bar}}zap', true],
    ['foo{bar}{zap}', true],
    ['session:input_stream', false],
    ['a}b{c', false],
    ['a}b{c}', true],
    ['', false],
  ])('%s: %s', (key, expected) => {
    expect(hasHashTag(key)).toBe(expected);
  });
});
