import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';

// The longest files are in the first lanes: started last, one of them would run alone while the other core is idle.
const LANES = ['e2e', 'chaos', 'contract', 'architecture', 'unit'];

/** Which test file runs when in `npm test`: lane after lane, or in an order made from the seed with `--randomize`. */
export default class LaneSequencer {
  constructor({ globalConfig: { randomize, seed } }) {
    this.seed = randomize ? seed : undefined;
  }

  sort(tests) {
    if (this.seed === undefined) return tests.toSorted((a, b) => laneOf(a) - laneOf(b) || sizeOf(b) - sizeOf(a));
    const keys = new Map(tests.map((test) => [test, digest(`${this.seed}:${test.path}`)]));
    return tests.toSorted((a, b) => (keys.get(a) < keys.get(b) ? -1 : 1));
  }

  /** Every shard has its part of each lane. */
  shard(tests, { shardIndex, shardCount }) {
    const byPath = tests.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    return byPath.filter((_, index) => index % shardCount === shardIndex - 1);
  }

  allFailedTests() {
    throw new Error('The order of the lanes keeps no list of what failed; use `npm run jest -- --onlyFailures`.');
  }

  // Jest calls it at the end of each run; nothing is kept.
  cacheResults() {}
}

const laneOf = ({ context }) => LANES.indexOf(context.config.displayName?.name);
const sizeOf = ({ path }) => statSync(path).size;
const digest = (text) => createHash('sha256').update(text).digest('hex');
