import { runScenario } from './run-scenario.js';
import { WORKER_KILLS } from './scenarios/worker-kills.js';

const LIMIT_MS = 300_000;

describe('chaos: worker-kills', () => {
  it(
    'holds, and workers were killed with entries in hand, some of them for good',
    async () => {
      const { violations, figures } = await runScenario(WORKER_KILLS, {
        seed: 2,
        scale: 'short',
        note: () => undefined,
      });
      expect(violations).toEqual([]);
      expect(figures).toMatchObject({ kills: 6, messages: 420, decisions: 420, chats_failed: 0 });
      expect(figures.kills_with_entries_in_hand).toBeGreaterThan(0);
      expect(figures.workers_gone).toBeGreaterThan(0);
      // Where nothing was said again or given again, an effect that is applied twice would not show.
      expect(figures.said_again).toBeGreaterThan(0);
      expect(figures.given_again).toBeGreaterThan(0);
    },
    LIMIT_MS,
  );
});
