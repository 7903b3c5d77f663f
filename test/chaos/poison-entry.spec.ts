import { runScenario } from './run-scenario.js';
import { POISON_ENTRY } from './scenarios/poison-entry.js';

const LIMIT_MS = 300_000;

describe('chaos: poison-entry', () => {
  it(
    'holds, and the poison was poison',
    async () => {
      const { violations, figures } = await runScenario(POISON_ENTRY, {
        seed: 4,
        scale: 'short',
        note: () => undefined,
      });
      expect(violations).toEqual([]);
      expect(figures).toMatchObject({ good: 80, poison: 4, dead_letters: 4, unscorable: 1, decisions: 85 });
    },
    LIMIT_MS,
  );
});
