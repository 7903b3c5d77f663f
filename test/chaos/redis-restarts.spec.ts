import { runScenario } from './run-scenario.js';
import { REDIS_RESTARTS } from './scenarios/redis-restarts.js';

const LIMIT_MS = 300_000;

describe('chaos: redis-restarts', () => {
  it(
    'holds, and messages of the outages went by the spool',
    async () => {
      const { violations, figures } = await runScenario(REDIS_RESTARTS, {
        seed: 2,
        scale: 'short',
        note: () => undefined,
      });
      expect(violations).toEqual([]);
      expect(figures).toMatchObject({
        restarts: 2,
        chats_failed: 0,
        messages: figures.chats,
        decisions: figures.chats,
      });
      expect(figures.sent_from_spool).toBeGreaterThan(0);
    },
    LIMIT_MS,
  );
});
