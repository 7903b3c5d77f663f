import { BaseLatency } from './base-latency.js';

describe(BaseLatency.name, () => {
  let sut: BaseLatency;

  beforeEach(() => {
    sut = new BaseLatency();
  });

  const observe = (latencyOf: (tokens: number) => number, sizes: readonly number[], times = 40): void => {
    for (let time = 0; time < times; time++) for (const tokens of sizes) sut.observe(tokens, latencyOf(tokens));
  };

  it('is all of the time where tokens make no difference', () => {
    observe(() => 300, [60, 120, 250]);
    expect(sut.ms).toBeCloseTo(300);
  });

  it('is none of it where tokens are all that takes time', () => {
    observe((tokens) => 3 * tokens, [60, 120, 250]);
    expect(sut.ms).toBeCloseTo(0);
  });

  it('is what tokens do not explain', () => {
    observe((tokens) => 80 + 0.2 * tokens, [60, 120, 250]);
    expect(sut.ms).toBeCloseTo(80);
  });

  it('is not guessed from requests that are all alike, and kept while they are', () => {
    observe(() => 300, [200, 201]);
    expect(sut.ms).toBe(0);
    observe((tokens) => 80 + tokens, [50, 400]);
    const known = sut.ms;
    observe(() => 480, [400], 500);
    expect(known).toBeCloseTo(80, 0);
    expect(sut.ms).toBeCloseTo(known);
  });

  it('is known anew after the server has changed', () => {
    observe(() => 300, [60, 120, 250]);
    observe((tokens) => 20 + tokens, [60, 120, 250], 200);
    expect(sut.ms).toBeCloseTo(20, 0);
  });
});
