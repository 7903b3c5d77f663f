import { meanOfRows, normalise } from './pooling.js';

describe('Pooling', () => {
  it('averages each column', () => {
    expect([...meanOfRows(Float32Array.of(1, 2, 3, 5, 6, 7), 3)]).toEqual([3, 4, 5]);
  });

  it('scales to unit length', () => {
    expect([...normalise(Float64Array.of(3, 0, 4))]).toEqual([Math.fround(0.6), 0, Math.fround(0.8)]);
  });

  it.each([[Float64Array.of(0, 0)], [Float64Array.of(1, NaN)]])('refuses %s, which has no direction', (vector) => {
    expect(() => normalise(vector)).toThrow(RangeError);
  });
});
