import { randomFrom } from './random.js';

export const DIMENSIONS = 384;

// Chosen so that 6,739 vectors lie as the embeddings of as many sentences did (all-MiniLM-L6-v2, sentences of the
// read-me files of npm packages). The median cosine of a vector to its nearest, its tenth nearest and any other one was
// 0.67, 0.50 and 0.09 there, and is 0.68, 0.47 and 0.10 here. Independent components would be another problem: all
// neighbours about as far as each other, and none worth finding.
const LATENT_DIMENSIONS = 128;
const CLUSTERS = 500;
const COMMON = 0.45;
const LEAST_SPREAD = 0.5;
const MOST_SPREAD = 1.6;

/**
 * Unit vectors that resemble embeddings of sentences, the same ones for the same seed. Each is a cluster's centre with
 * Gaussian noise, little or much of it, in a space of 128 dimensions that a random linear map takes to 384; all have
 * one component in common, and some clusters are larger than others.
 */
export class SyntheticEmbeddings {
  private readonly random: () => number;
  private readonly map: readonly Float32Array[];
  private readonly centres: readonly Float32Array[];

  constructor(seed: number) {
    this.random = randomFrom(seed);
    this.map = Array.from({ length: DIMENSIONS }, () => this.noise(1));
    const common = this.noise(COMMON);
    this.centres = Array.from({ length: CLUSTERS }, () => sum(common, this.noise(1)));
  }

  next(): Float32Array {
    const spread = LEAST_SPREAD + (MOST_SPREAD - LEAST_SPREAD) * this.random();
    const latent = sum(this.pickCentre(), this.noise(spread));
    const vector = Float32Array.from(this.map, (row) => dot(row, latent));
    const length = Math.sqrt(dot(vector, vector));
    return vector.map((component) => component / length);
  }

  private pickCentre(): Float32Array {
    // The square makes the first clusters the largest.
    const index = Math.floor(this.random() ** 2 * CLUSTERS);
    return this.centres[index] ?? new Float32Array(LATENT_DIMENSIONS);
  }

  /** A Gaussian vector whose length is about `length`. */
  private noise(length: number): Float32Array {
    const deviation = length / Math.sqrt(LATENT_DIMENSIONS);
    return Float32Array.from({ length: LATENT_DIMENSIONS }, () => deviation * this.gaussian());
  }

  private gaussian(): number {
    return Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random());
  }
}

/** Finds, by comparing with each, the `k` vectors nearest to each query among those added so far. */
export class ExactSearch {
  private readonly searches: readonly { readonly query: Float32Array; readonly best: Scored[] }[];

  constructor(
    queries: readonly Float32Array[],
    private readonly k: number,
  ) {
    this.searches = queries.map((query) => ({ query, best: [] }));
  }

  add(id: string, vector: Float32Array): void {
    for (const { query, best } of this.searches) {
      const similarity = dot(query, vector);
      const last = best[this.k - 1];
      if (last !== undefined && similarity <= last.similarity) continue;
      const place = best.findLastIndex((other) => other.similarity >= similarity) + 1;
      best.splice(place, 0, { id, similarity });
      best.length = Math.min(best.length, this.k);
    }
  }

  /** For each query the ids found, nearest first. */
  results(): string[][] {
    return this.searches.map(({ best }) => best.map(({ id }) => id));
  }
}

interface Scored {
  readonly id: string;
  readonly similarity: number;
}

function dot(a: Float32Array, b: Float32Array): number {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += (a[i] ?? 0) * (b[i] ?? 0);
  return total;
}

const sum = (a: Float32Array, b: Float32Array): Float32Array =>
  a.map((component, index) => component + (b[index] ?? 0));
