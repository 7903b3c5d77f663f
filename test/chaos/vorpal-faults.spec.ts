import { VORPAL_FAULTS } from '../support/faulty-vorpal.js';
import { runScenario } from './run-scenario.js';
import { VORPAL_FAULTS_SCENARIO } from './scenarios/vorpal-faults.js';

const LIMIT_MS = 300_000;

describe('chaos: vorpal-faults', () => {
  it(
    'holds, and every fault was met',
    async () => {
      const { violations, figures } = await runScenario(VORPAL_FAULTS_SCENARIO, {
        seed: 3,
        scale: 'short',
        note: () => undefined,
      });
      expect(violations).toEqual([]);
      for (const fault of [...VORPAL_FAULTS, 'silence'])
        expect([fault, figures[`met_${fault}`]]).not.toEqual([fault, 0]);
      expect(figures.chats).toBeGreaterThan(50);
      expect(figures.decisions).toBe(figures.chats);
    },
    LIMIT_MS,
  );
});
