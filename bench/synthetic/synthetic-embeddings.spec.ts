import { DIMENSIONS, ExactSearch, SyntheticEmbeddings } from './synthetic-embeddings.js';

const cosine = (a: Float32Array, b: Float32Array): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!;

describe(SyntheticEmbeddings.name, () => {
  it('makes unit vectors, the same for the same seed and others for another', () => {
    const [first, same, other] = [1, 1, 2].map((seed) => new SyntheticEmbeddings(seed));
    first!.next();
    same!.next();
    const vector = first!.next();

    expect(vector).toHaveLength(DIMENSIONS);
    expect(cosine(vector, vector)).toBeCloseTo(1, 5);
    expect(same!.next()).toEqual(vector);
    expect(other!.next()).not.toEqual(vector);
  });

  it('makes vectors with a few near neighbours among many far ones', () => {
    const embeddings = new SyntheticEmbeddings(1);
    const vectors = Array.from({ length: 2_000 }, () => embeddings.next());
    const ranked = vectors.slice(0, 15).map((query) => vectors.map((v) => cosine(query, v)).sort((a, b) => b - a));

    expect(median(ranked.map((row) => row[1]!))).toBeGreaterThan(0.5);
    expect(median(ranked.map((row) => row[50]!))).toBeLessThan(0.4);
    expect(Math.abs(median(ranked.map((row) => row[1_000]!)))).toBeLessThan(0.2);
  });
});

describe(ExactSearch.name, () => {
  it('finds the nearest of what was added so far, nearest first', () => {
    const at = (degrees: number) =>
      Float32Array.of(Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180));
    const sut = new ExactSearch([at(0), at(90)], 2);
    expect(sut.results()).toEqual([[], []]);

    for (const degrees of [50, 20, 80, 10]) sut.add(String(degrees), at(degrees));
    expect(sut.results()).toEqual([
      ['10', '20'],
      ['80', '50'],
    ]);

    sut.add('5', at(5));
    expect(sut.results()[0]).toEqual(['5', '10']);
  });
});
