import { runScenario } from './run-scenario.js';
import { PARTITIONS } from './scenarios/partitions.js';

const LIMIT_MS = 300_000;

describe('chaos: partitions', () => {
  it(
    'holds, and what a silent group had in hand was taken over and came twice',
    async () => {
      const { violations, figures } = await runScenario(PARTITIONS, { seed: 2, scale: 'short', note: () => undefined });
      expect(violations).toEqual([]);
      expect(figures).toMatchObject({ resets: 3, silences: 3, of_both_groups: 2, chats_failed: 0 });
      expect(figures.decisions).toBe(figures.messages);
      expect(figures.taken_over_in_silence).toBeGreaterThan(0);
      expect(figures.given_again).toBeGreaterThan(0);
      expect(figures.sent_from_spool).toBeGreaterThan(0);
    },
    LIMIT_MS,
  );
});
