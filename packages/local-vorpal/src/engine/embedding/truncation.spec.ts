import { truncateText, truncateTokens } from './truncation.js';

describe(truncateTokens.name, () => {
  it('keeps the end where the beginning is cut off, and the other way round', () => {
    expect(truncateTokens([1, 2, 3, 4], { keep: 3, side: 'left' })).toEqual([2, 3, 4]);
    expect(truncateTokens([1, 2, 3, 4], { keep: 3, side: 'right' })).toEqual([1, 2, 3]);
  });

  it.each(['left', 'right'] as const)('leaves what fits as it is, and nothing for 0 (%s)', (side) => {
    expect(truncateTokens([1, 2], { keep: 5, side })).toEqual([1, 2]);
    expect(truncateTokens([1, 2], { keep: 0, side })).toEqual([]);
  });
});

describe(truncateText.name, () => {
  it('leaves no half characters', () => {
    expect(truncateText('ab😀', 3, 'right')).toBe('ab\uFFFD');
    expect(truncateText('😀ab', 3, 'left')).toBe('\uFFFDab');
  });
});
