import { randomFrom } from './random.js';

describe(randomFrom.name, () => {
  it('repeats itself for a seed and only for that', () => {
    const draw = (seed: number) => Array.from({ length: 5 }, randomFrom(seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });
});
