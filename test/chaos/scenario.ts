import type { SeededRandom } from './seeded-random.js';

export interface ChaosRun {
  /** All chance comes from here: the same seed makes the same faults in the same order. */
  readonly random: SeededRandom;
  /** `short` is part of the tests and takes less than a minute; `long` has the numbers that the promise names. */
  readonly scale: 'short' | 'long';
  /** A line about what happens now, for whoever watches. */
  readonly note: (text: string) => void;
}

export interface Verdict {
  /** What broke the promise, in words that name the message or the process; none: it held. */
  readonly violations: readonly string[];
  /** What was done and measured: `{ messages: 10_000, kills: 50, … }`. Names carry units. */
  readonly figures: Readonly<Record<string, number>>;
}

/** A fault that is brought about against real programs and a real Redis, and what must be true afterwards. */
export interface Scenario {
  /** As on the command line: `worker-kills`. */
  readonly name: string;
  /** What is promised, in one sentence. */
  readonly promise: string;
  run(chaos: ChaosRun): Promise<Verdict>;
}
