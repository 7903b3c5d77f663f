import { runScenario } from './run-scenario.js';
import { SIGTERM_UNDER_LOAD } from './scenarios/sigterm-under-load.js';

const LIMIT_MS = 300_000;

describe('chaos: sigterm-under-load', () => {
  it(
    'holds, and requests were in flight',
    async () => {
      const { violations, figures } = await runScenario(SIGTERM_UNDER_LOAD, {
        seed: 6,
        scale: 'short',
        note: () => undefined,
      });
      expect(violations).toEqual([]);
      expect(figures.terminations).toBe(3);
      expect(figures.in_flight_at_sigterm).toBeGreaterThan(10);
      expect(figures.answered_after_sigterm).toBeGreaterThan(10);
    },
    LIMIT_MS,
  );
});
