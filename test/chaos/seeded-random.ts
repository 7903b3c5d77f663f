/**
 * Pseudo-random numbers that a seed determines.
 *
 * Source: mulberry32, T. Ettinger, public domain.
 */
export class SeededRandom {
  private state: number;

  constructor(readonly seed: number) {
    this.state = seed >>> 0;
  }

  /** In `[0, 1)`. */
  next(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** An integer in `[from, to]`. */
  integer(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.integer(0, values.length - 1)];
    if (value === undefined) throw new RangeError('There is nothing to pick from.');
    return value;
  }

  /** A copy in another order, each order as likely as any other (Fisher and Yates). */
  shuffled<T>(values: readonly T[]): T[] {
    const mixed = [...values];
    for (let last = mixed.length - 1; last > 0; last--) {
      const other = this.integer(0, last);
      [mixed[last], mixed[other]] = [mixed[other] as T, mixed[last] as T];
    }
    return mixed;
  }

  /** A generator of its own for one part of a run, so that its faults do not depend on what others have drawn. */
  fork(name: string): SeededRandom {
    const hash = Array.from(name).reduce(
      (sum, character) => Math.imul(sum, 31) + (character.codePointAt(0) ?? 0),
      this.seed,
    );
    return new SeededRandom(hash);
  }
}
